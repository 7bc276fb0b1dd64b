package cache

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/store"
	"paragon/schema"
)

// ErrGap says that Redis is not at the version before a change: everything has
// to be published.
var ErrGap = errors.New("redis is not at the version before the change")

const (
	// supersededFor is how long a revision that is no longer current stays in
	// Redis: longer than runs last by default. An older one comes back from
	// the store when a run wants it.
	supersededFor = 31 * 24 * time.Hour
	// retiredFor is how long the index of the generation before stays, for
	// readers that are in the middle of it.
	retiredFor = time.Minute
	// chunk bounds the commands of one pipeline.
	chunk = 500
)

// Published returns the version that is published in Redis, 0 and false when
// Redis is empty, and the lineage of the store whose configuration it is; empty
// when it is not known.
func Published(ctx context.Context, rdb redis.UniversalClient) (version int64, ok bool, lineage string, err error) {
	both, err := rdb.MGet(ctx, headKey, lineageKey).Result()
	if err != nil {
		return 0, false, "", fmt.Errorf("read configuration version: %w", err)
	}
	lineage, _ = both[1].(string)
	text, ok := both[0].(string)
	if !ok {
		return 0, false, lineage, nil
	}
	h, err := parseHead(text)
	return h.version, err == nil, lineage, err
}

func readHead(ctx context.Context, rdb redis.UniversalClient) (head, bool, error) {
	s, err := rdb.Get(ctx, headKey).Result()
	if errors.Is(err, redis.Nil) {
		return head{}, false, nil
	}
	if err != nil {
		return head{}, false, fmt.Errorf("read configuration version: %w", err)
	}
	h, err := parseHead(s)
	return h, err == nil, err
}

// Publish writes all configuration to Redis and tells the processes. It is
// idempotent: what is published already, at that version or a newer one, is
// left alone.
func Publish(ctx context.Context, rdb redis.UniversalClient, snap *store.Snapshot) error {
	return publish(ctx, rdb, snap, false)
}

// Republish is Publish whatever version Redis holds: for a store that went
// back, to a backup, to a replica or to a new database.
func Republish(ctx context.Context, rdb redis.UniversalClient, snap *store.Snapshot) error {
	return publish(ctx, rdb, snap, true)
}

func publish(ctx context.Context, rdb redis.UniversalClient, snap *store.Snapshot, force bool) error {
	before, published, err := readHead(ctx, rdb)
	if err != nil && !force {
		return err
	}
	if published && !force && before.version >= snap.Version {
		return nil
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return fmt.Errorf("publish configuration: %w", err)
	}
	next := head{snap.Version, hex.EncodeToString(id)}
	index := indexKey(next.generation)

	// Nobody reads the new generation until the head names it.
	fields := map[string]string{}
	for _, p := range snap.Projects {
		fields[projectField(p.Name)] = encodeProject(p)
	}
	for _, k := range snap.Keys {
		fields[keyField(k.ID)] = encodeKey(k)
	}
	documents := make([][2]string, 0, len(snap.Resources))
	for _, r := range snap.Resources {
		fields[resourceField(r.Project, schema.Ref{Kind: r.Kind, Name: r.Metadata.Name})] = resourceEntry{r.Revision, r.Digest}.String()
		documents = append(documents, [2]string{documentKey(idOf(r)), encodeDocument(r)})
	}
	if err := writeGeneration(ctx, rdb, index, fields, documents); err != nil {
		return fmt.Errorf("publish configuration: %w", err)
	}
	forced := 0
	if force {
		forced = 1
	}
	old, err := flipScript.Run(ctx, rdb, []string{headKey, index, lineageKey}, next.version, next.String(), noticeChannel, forced, snap.Lineage).Text()
	if err != nil {
		return fmt.Errorf("publish configuration: %w", err)
	}
	if old == "" { // nothing was there before, or what was there is unreadable
		return nil
	}
	was, err := parseHead(old)
	if err != nil {
		return nil
	}
	if was == next { // another publisher was faster
		return nil
	}
	return retire(ctx, rdb, was.generation, fields)
}

// writeGeneration writes documents and index. The index expires unless the
// head comes to name it, so that a publisher that dies leaves nothing.
func writeGeneration(ctx context.Context, rdb redis.UniversalClient, index string, fields map[string]string, documents [][2]string) error {
	for len(documents) > 0 {
		n := min(chunk, len(documents))
		if _, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, d := range documents[:n] {
				p.Set(ctx, d[0], d[1], 0)
			}
			return nil
		}); err != nil {
			return err
		}
		documents = documents[n:]
	}
	// A field that is always there: a hash without fields does not exist.
	batch := []any{"v", "1"}
	flush := func() error {
		_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.HSet(ctx, index, batch...)
			p.Expire(ctx, index, 10*retiredFor)
			return nil
		})
		batch = batch[:0]
		return err
	}
	for f, v := range fields {
		if batch = append(batch, f, v); len(batch) >= 2*chunk {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(batch) > 0 {
		return flush()
	}
	return nil
}

// flipScript makes a generation the current one unless a newer version is
// there. It returns the head before, or its own when it changed nothing.
//
//	KEYS head, index, lineage. ARGV version, head, channel, force, lineage.
var flipScript = redis.NewScript(`
local old = redis.call('GET', KEYS[1])
if old and ARGV[4] ~= '1' then
  local version = tonumber(string.match(old, '^(%d+) '))
  if version and version >= tonumber(ARGV[1]) then
    return ARGV[2]
  end
end
redis.call('PERSIST', KEYS[2])
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[3], ARGV[5])
redis.call('PUBLISH', ARGV[3], ARGV[2])
return old or ''
`)

// retire lets the generation before expire, and with it the revisions that are
// not current any more.
func retire(ctx context.Context, rdb redis.UniversalClient, generation string, current map[string]string) error {
	entries, err := rdb.HGetAll(ctx, indexKey(generation)).Result()
	if err != nil {
		return fmt.Errorf("retire configuration: %w", err)
	}
	var superseded []string
	for field, value := range entries {
		project, ref, ok := parseResourceField(field)
		if !ok || current[field] == value {
			continue
		}
		e, err := parseResourceEntry(value)
		if err != nil {
			continue
		}
		if now, err := parseResourceEntry(current[field]); err == nil && now.revision == e.revision {
			continue // the same document, written anew
		}
		superseded = append(superseded, documentKey(revisionID{project, ref.Kind, ref.Name, e.revision}))
	}
	_, err = rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.Expire(ctx, indexKey(generation), retiredFor)
		p.Expire(ctx, logKey(generation), retiredFor)
		for _, key := range superseded {
			p.Expire(ctx, key, supersededFor)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("retire configuration: %w", err)
	}
	return nil
}
