package notice

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Batch is a tally that was taken. It is the same at each Take until it is
// dropped, so that who merges it and dies can be followed by another; what
// happens meanwhile is counted in the next.
type Batch struct {
	// ID tells one batch of a source from the next.
	ID     string
	Source string
	Counts []Count
}

// takeScript sets the tally aside, unless one still is, and returns it.
// KEYS[1] prefix; ARGV[1] an id for it.
var takeScript = redis.NewScript(`
local tally, taken = KEYS[1] .. 'notices', KEYS[1] .. 'notices:taken'
if redis.call('EXISTS', taken) == 0 then
  if redis.call('EXISTS', tally) == 0 then return {} end
  redis.call('RENAME', tally, taken)
  redis.call('HSET', taken, 'id', ARGV[1])
end
return redis.call('HGETALL', taken)`)

// dropScript ends a batch. KEYS[1] prefix; ARGV[1] its id.
var dropScript = redis.NewScript(`
local taken = KEYS[1] .. 'notices:taken'
if redis.call('HGET', taken, 'id') == ARGV[1] then redis.call('DEL', taken) end
return 1`)

// Take takes the tally of a source; nil when nothing happened.
func Take(ctx context.Context, rdb redis.UniversalClient, source, id string) (*Batch, error) {
	words, err := takeScript.Run(ctx, rdb, []string{source}, id).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("take the notices of %s: %w", source, err)
	}
	if len(words) == 0 {
		return nil, nil
	}
	return readBatch(source, words), nil
}

// Drop ends a batch, once all of it is merged.
func Drop(ctx context.Context, rdb redis.UniversalClient, b *Batch) error {
	if err := dropScript.Run(ctx, rdb, []string{b.Source}, b.ID).Err(); err != nil {
		return fmt.Errorf("drop the notices of %s: %w", b.Source, err)
	}
	return nil
}

func readBatch(source string, words []string) *Batch {
	b := &Batch{Source: source}
	groups := map[string]*Count{}
	for i := 0; i+1 < len(words); i += 2 {
		field, value := words[i], words[i+1]
		if field == "id" {
			b.ID = value
			continue
		}
		if len(field) < 2 {
			continue
		}
		name := field[1:]
		c := groups[name]
		if c == nil {
			var names [3]string
			if json.Unmarshal([]byte(name), &names) != nil {
				continue // only what Words wrote is there
			}
			c = &Count{Project: names[0], Event: names[1], Subject: names[2]}
			groups[name] = c
		}
		c.read(field[0], value)
	}
	for _, c := range groups {
		slices.SortStableFunc(c.Examples, func(a, b Example) int { return a.At.Compare(b.At) })
		b.Counts = append(b.Counts, *c)
	}
	slices.SortFunc(b.Counts, func(x, y Count) int {
		return cmp.Or(cmp.Compare(x.Project, y.Project), cmp.Compare(x.Event, y.Event), cmp.Compare(x.Subject, y.Subject))
	})
	return b
}

func (c *Count) read(kind byte, value string) {
	number, _ := strconv.ParseInt(value, 10, 64)
	switch kind {
	case 'n':
		c.Count = number
	case 'a':
		c.First = time.UnixMilli(number).UTC()
	case 'z':
		c.Last = time.UnixMilli(number).UTC()
	default:
		var x Example
		if json.Unmarshal([]byte(value), &x) == nil {
			c.Examples = append(c.Examples, x)
		}
	}
}
