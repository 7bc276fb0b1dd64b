package cache

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"paragon/engine/store"
	"paragon/schema"
)

// maxLog is how many changes the log of a generation holds. A process that is
// further behind loads everything.
const maxLog = 1000

// Change is what one transaction of the store changed.
type Change struct {
	// Version is the configuration version after it.
	Version int64
	// Projects are those that were created or changed.
	Projects []store.Project
	// Resources are the new revisions; Deleted marks those that ended.
	Resources []store.Resource
	// Keys are those that were created or changed, DeletedKeys the ids of
	// those that are gone.
	Keys        []store.Key
	DeletedKeys []string
}

// PublishChange writes a change to Redis and tells the processes, at a cost
// that does not depend on how much else there is. It returns ErrGap when Redis
// is not at the version before, and changes nothing when it is at that version
// or a newer one.
func PublishChange(ctx context.Context, rdb redis.UniversalClient, ch Change) error {
	now, ok, err := readHead(ctx, rdb)
	if err != nil {
		return err
	}
	if !ok || now.version < ch.Version-1 {
		return ErrGap
	}
	if now.version >= ch.Version {
		return nil
	}
	next := head{ch.Version, now.generation}
	keys := []string{headKey, indexKey(now.generation), logKey(now.generation)}
	var fields, values, documents []string
	set := func(field, value string) { fields, values = append(fields, field), append(values, value) }
	var superseded []string
	for _, p := range ch.Projects {
		set(projectField(p.Name), encodeProject(p))
	}
	for _, r := range ch.Resources {
		field := resourceField(r.Project, schema.Ref{Kind: r.Kind, Name: r.Metadata.Name})
		id := idOf(r)
		if r.Deleted {
			set(field, "")
		} else {
			set(field, resourceEntry{r.Revision, r.Digest}.String())
			keys, documents = append(keys, documentKey(id)), append(documents, encodeDocument(r))
		}
		if id.revision--; id.revision > 0 {
			superseded = append(superseded, documentKey(id))
		}
	}
	for _, k := range ch.Keys {
		set(keyField(k.ID), encodeKey(k))
	}
	for _, id := range ch.DeletedKeys {
		set(keyField(id), "")
	}
	args := []any{now.String(), next.String(), ch.Version, noticeChannel, maxLog, int(supersededFor.Seconds()),
		strings.Join(fields, "\n"), len(fields), len(documents)}
	for i := range fields {
		args = append(args, fields[i], values[i])
	}
	for _, d := range documents {
		args = append(args, d)
	}
	done, err := changeScript.Run(ctx, rdb, append(keys, superseded...), args...).Int()
	if err != nil {
		return fmt.Errorf("publish configuration change: %w", err)
	}
	if done == 0 {
		return ErrGap
	}
	return nil
}

// changeScript applies a change to the version before it.
//
//	KEYS head, index, log, documents…, superseded documents…
//	ARGV head before, head after, version, channel, log length, seconds for
//	superseded documents, fields for the log, number of fields, number of
//	documents, then field and value of each ("" deletes), then the documents.
var changeScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
local nf, nd, at = tonumber(ARGV[8]), tonumber(ARGV[9]), 10
for i = 1, nf do
  if ARGV[at + 1] == '' then
    redis.call('HDEL', KEYS[2], ARGV[at])
  else
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
  end
  at = at + 2
end
for i = 1, nd do
  redis.call('SET', KEYS[3 + i], ARGV[at])
  at = at + 1
end
for i = 4 + nd, #KEYS do
  redis.call('EXPIRE', KEYS[i], ARGV[6])
end
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[3] .. '\n' .. ARGV[7])
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[5]))
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[4], ARGV[2])
return 1
`)

// followScript reads what changed since a version, in one consistent view. It
// returns the head, then field and value of each change; the head alone when
// the log does not reach back that far or the generation is another.
//
//	KEYS head, index, log. ARGV version, generation.
var followScript = redis.NewScript(`
local head = redis.call('GET', KEYS[1])
if not head then
  return {}
end
local version, generation = string.match(head, '^(%d+) (.+)$')
if generation ~= ARGV[2] then
  return {head}
end
local entries = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf')
if #entries ~= tonumber(version) - tonumber(ARGV[1]) then
  return {head}
end
local seen, out = {}, {head}
for _, entry in ipairs(entries) do
  local first = true
  for field in string.gmatch(entry, '[^\n]+') do
    if not first and not seen[field] then
      seen[field] = true
      out[#out + 1] = field
      out[#out + 1] = redis.call('HGET', KEYS[2], field) or ''
    end
    first = false
  end
end
return out
`)
