package enrol

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/schema"
)

// Slots is how many places there are for users on the way from a workflow's
// first to its last. A user's is fixed, so that each is at the same share of
// every spread.
const Slots = 1 << 32

// SlotOf is a user's place.
func SlotOf(user string) uint64 {
	sum := sha256.Sum256([]byte(user))
	return uint64(binary.BigEndian.Uint32(sum[:4]))
}

// The keys of a workflow with users share its slot of a Redis Cluster:
//
//	:on      sorted set of who has it, by place
//	:seen    hash of what a run sees of each of them
//	:rule    the revision that all users were last judged by
//	:filling lease of who judges them
//	:v:USER  which state was written last, while others may write an older one
func keyOf(project, workflow string) string {
	return "paragon:{enrol/" + project + "/" + workflow + "}"
}

// versionFor is how long what was written last of a user is remembered: longer
// than anybody takes from reading the store to writing Redis.
const versionFor = 10 * time.Minute

// putScript writes whether a user has a workflow, unless a newer state is
// there. A state is newer by the workflow's revision and by the change of the
// user: only one that is older in neither is written.
//
//	KEYS prefix. ARGV user, revision, change, place, what a run sees or '' for
//	a user who does not have it, seconds that the version is remembered.
//
// It returns 1 when it wrote, 2 when it removed one who was there, else 0.
var putScript = redis.NewScript(`
local user, rev, change = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local vkey = KEYS[1] .. ':v:' .. user
local have = redis.call('HMGET', vkey, 'r', 'c')
if have[1] and (tonumber(have[1]) > rev or tonumber(have[2]) > change) then return 0 end
redis.call('HSET', vkey, 'r', ARGV[2], 'c', ARGV[3])
redis.call('EXPIRE', vkey, ARGV[6])
if ARGV[5] == '' then
  redis.call('HDEL', KEYS[1] .. ':seen', user)
  return 1 + redis.call('ZREM', KEYS[1] .. ':on', user)
end
redis.call('HSET', KEYS[1] .. ':seen', user, ARGV[5])
redis.call('ZADD', KEYS[1] .. ':on', ARGV[4], user)
return 1
`)

// state is what is to be written of a user and a workflow.
type state struct {
	project, workflow string
	revision, change  int64
	user              string
	who               *schema.RunUser // nil: does not have it
}

// put is a state on its way.
func (s *state) put(ctx context.Context, c redis.Scripter) *redis.Cmd {
	seen := ""
	if s.who != nil {
		raw, err := json.Marshal(s.who) // an id and JSON that was checked
		if err == nil {
			seen = string(raw)
		}
	}
	return putScript.EvalSha(ctx, c, []string{keyOf(s.project, s.workflow)},
		s.user, s.revision, s.change, SlotOf(s.user), seen, int(versionFor.Seconds()))
}

const (
	wroteNothing = 0 // a newer state is there
	removedOne   = 2
)

// putAll writes states in one round trip, and returns what putScript says of
// each.
func putAll(ctx context.Context, rdb redis.UniversalClient, states []state) ([]int, error) {
	send := func() ([]*redis.Cmd, error) {
		cmds := make([]*redis.Cmd, len(states))
		_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range states {
				cmds[i] = states[i].put(ctx, p)
			}
			return nil
		})
		return cmds, err
	}
	cmds, err := send()
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err := putScript.Load(ctx, rdb).Err(); err != nil {
			return nil, fmt.Errorf("write users of workflows: %w", err)
		}
		cmds, err = send()
	}
	if err != nil {
		return nil, fmt.Errorf("write users of workflows: %w", err)
	}
	out := make([]int, len(cmds))
	for i, cmd := range cmds {
		if out[i], err = cmd.Int(); err != nil {
			return nil, fmt.Errorf("write users of workflows: %w", err)
		}
	}
	return out, nil
}
