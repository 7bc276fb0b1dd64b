package destination

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
)

// The keys are in one slot, so that one script may change all that belongs
// together.
const (
	statesKey   = "paragon:{destinations}:states"
	versionsKey = "paragon:{destinations}:versions"
	// dueKey orders destinations by when there is something to do.
	dueKey = "paragon:{destinations}:due"
	// leaseKey is held by who sends, auditLeaseKey by who writes to the audit log
	// what auditKey lists.
	leaseKey      = "paragon:{destinations}:leader"
	auditKey      = "paragon:{destinations}:audit"
	auditLeaseKey = "paragon:{destinations}:auditor"
	// delayedKey is there while the logs are delayed and that has been told.
	delayedKey = "paragon:{destinations}:delayed"
)

// target is a destination of a project.
type target struct {
	project *cache.Project
	*cache.Destination
}

func (t target) id() string { return t.project.Name + "/" + t.Name }

// targetOf finds the destination of an id; false when it is gone or does not
// compile here.
func targetOf(config *cache.Cache, id string) (target, bool) {
	project, name, _ := strings.Cut(id, "/")
	p := config.Project(project)
	if p == nil {
		return target{}, false
	}
	d := p.Destination(name)
	return target{p, d}, d != nil && d.Broken == nil
}

// targets lists all destinations that compile here.
func targets(config *cache.Cache) []target {
	var out []target
	for _, p := range config.Projects() {
		if !p.HasDestinations() {
			continue
		}
		for _, d := range p.Destinations() {
			if d.Broken == nil {
				out = append(out, target{p, d})
			}
		}
	}
	return out
}

// book keeps the states in Redis. It is safe for concurrent use, also with
// those of other processes.
type book struct {
	rdb redis.UniversalClient
	now func() time.Time
}

// writeScript writes a state unless another was first.
// KEYS states, versions, due; ARGV id, version that was read, state, when it is
// due (ms) or nothing.
var writeScript = redis.NewScript(`
local version = redis.call('HGET', KEYS[2], ARGV[1]) or '0'
if version ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
if ARGV[4] == '' then
  redis.call('ZREM', KEYS[3], ARGV[1])
else
  redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
end
return 1`)

// clockSkew is how far the clocks of processes may be apart: so much earlier
// than a destination something may have happened by the clock of another.
const clockSkew = time.Minute

// maxRaces bounds how often a change is made anew because of others.
const maxRaces = 100

// update changes the state of a destination: all of the change, or none of it.
// It may call change several times.
func (b *book) update(ctx context.Context, t target, change func(*state)) error {
	for range maxRaces {
		s, version, err := b.load(ctx, t.id())
		if err != nil {
			return err
		}
		change(s)
		raw, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("write the state of destination %s: %w", t.id(), err)
		}
		when := ""
		if at := s.due(t.Wait, t.Interval); !at.IsZero() {
			when = strconv.FormatInt(at.UnixMilli(), 10)
		}
		written, err := writeScript.Run(ctx, b.rdb, []string{statesKey, versionsKey, dueKey}, t.id(), version, raw, when).Int()
		if err != nil {
			return fmt.Errorf("write the state of destination %s: %w", t.id(), err)
		}
		if written == 1 {
			return nil
		}
	}
	return fmt.Errorf("write the state of destination %s: others change it all the time", t.id())
}

// load reads the state of a destination; of one that has none yet, a new one.
func (b *book) load(ctx context.Context, id string) (s *state, version string, err error) {
	var raw, v *redis.StringCmd
	_, err = b.rdb.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		raw, v = pipe.HGet(ctx, statesKey, id), pipe.HGet(ctx, versionsKey, id)
		return nil
	})
	if err != nil && err != redis.Nil {
		return nil, "", fmt.Errorf("read the state of destination %s: %w", id, err)
	}
	version = "0"
	if v.Err() == nil {
		version = v.Val()
	}
	s = &state{Since: b.now().Add(-clockSkew)}
	if raw.Err() == nil {
		if err := json.Unmarshal([]byte(raw.Val()), s); err != nil {
			return nil, "", fmt.Errorf("read the state of destination %s: %w", id, err)
		}
	}
	return s, version, nil
}

// dueBy lists the destinations with something to do by a time.
func (b *book) dueBy(ctx context.Context, at time.Time, most int64) ([]string, error) {
	ids, err := b.rdb.ZRangeByScore(ctx, dueKey, &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(at.UnixMilli(), 10), Count: most}).Result()
	if err != nil {
		return nil, fmt.Errorf("read what destinations have to do: %w", err)
	}
	return ids, nil
}

// forget ends the states of destinations that are gone.
func (b *book) forget(ctx context.Context, known map[string]bool) error {
	ids, err := b.rdb.HKeys(ctx, statesKey).Result()
	if err != nil {
		return fmt.Errorf("list the states of destinations: %w", err)
	}
	for _, id := range ids {
		if known[id] {
			continue
		}
		_, err := b.rdb.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.HDel(ctx, statesKey, id)
			pipe.ZRem(ctx, dueKey, id)
			pipe.HDel(ctx, versionsKey, id)
			return nil
		})
		if err != nil {
			return fmt.Errorf("forget destination %s: %w", id, err)
		}
	}
	return nil
}

// leadScript takes or prolongs a lease. KEYS[1] the lease; ARGV who, for how
// long (ms).
var leadScript = redis.NewScript(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

// resignScript gives a lease back. KEYS[1] the lease; ARGV[1] who.
var resignScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`)

// leaseFor is how long a lease is held by who died.
const leaseFor = 5 * time.Second

func (b *book) lead(ctx context.Context, key, who string) (bool, error) {
	n, err := leadScript.Run(ctx, b.rdb, []string{key}, who, leaseFor.Milliseconds()).Int()
	if err != nil {
		return false, fmt.Errorf("take the lead of sending to destinations: %w", err)
	}
	return n == 1, nil
}

func (b *book) resign(ctx context.Context, key, who string) error {
	return resignScript.Run(ctx, b.rdb, []string{key}, who).Err()
}

// newID makes the id of a message.
func newID() string { return "msg_" + rand.Text() }
