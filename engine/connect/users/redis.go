package users

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// goneFor is how long Redis remembers that something was deleted, so that what
// was read from the store before does not bring it back.
const goneFor = 24 * time.Hour

// hash is what Redis holds of a user, of keys or of a credential.
type hash struct {
	generation, version int64
	body                string // JSON; empty: it is not there
}

// readHash reads a key. One that is not there, in a slot that is not filled, is
// ErrUnavailable.
func readHash(ctx context.Context, rdb redis.UniversalClient, key string, shard int) (hash, error) {
	var fields *redis.SliceCmd
	var filled *redis.IntCmd
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		fields = p.HMGet(ctx, key, "g", "v", "b")
		filled = p.Exists(ctx, filledKey(shard))
		return nil
	})
	if err != nil {
		return hash{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	h, err := parseHash(fields.Val())
	if err != nil {
		return hash{}, fmt.Errorf("redis key %s: %w", key, err)
	}
	if h.body == "" && filled.Val() == 0 {
		return hash{}, fmt.Errorf("%w: Redis has lost them, and an api role is about to bring them back", ErrUnavailable)
	}
	return h, nil
}

func parseHash(fields []any) (h hash, err error) {
	if len(fields) != 3 {
		return hash{}, fmt.Errorf("%d fields", len(fields))
	}
	for i, to := range []*int64{&h.generation, &h.version} {
		if text, ok := fields[i].(string); ok {
			if *to, err = strconv.ParseInt(text, 10, 64); err != nil {
				return hash{}, err
			}
		}
	}
	h.body, _ = fields[2].(string)
	return h, nil
}

// putScript writes a state that is newer than what is there, and tells the
// processes. An empty body says that there is nothing any more. It returns -1,
// or the generation that is there when that is not older.
//
//	KEYS key. ARGV generation, version, body, channel, seconds that nothing is
//	remembered, the generation that is overwritten although it is newer.
var putScript = redis.NewScript(`
local g = tonumber(redis.call('HGET', KEYS[1], 'g') or '-1')
local v = tonumber(redis.call('HGET', KEYS[1], 'v') or '-1')
local ng, nv = tonumber(ARGV[1]), tonumber(ARGV[2])
if (g > ng or (g == ng and v >= nv)) and g ~= tonumber(ARGV[6]) then
  return g
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'g', ARGV[1], 'v', ARGV[2], 'b', ARGV[3])
if ARGV[3] == '' then
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
redis.call('PUBLISH', ARGV[4], KEYS[1])
return -1
`)

// putHash writes a state unless a newer one is there, whose generation it
// returns then; -1 says that it is written. Over is the generation of a newer
// one that is overwritten; -1: none.
func putHash(ctx context.Context, rdb redis.UniversalClient, key string, h hash, over int64) (there int64, err error) {
	there, err = putScript.Run(ctx, rdb, []string{key}, h.generation, h.version, h.body, noticeChannel, int(goneFor.Seconds()), over).Int64()
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", key, err)
	}
	return there, nil
}

// asJSON encodes what is made of texts, times and JSON that was checked.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}
