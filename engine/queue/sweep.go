package queue

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// asynq gives a task back only 55 to 170 s after its worker has died: a lease
// of 30 s, 30 s more for skewed clocks, and a look every 60 s. But a living
// server extends the leases of its tasks every 5 s, so a lease that has less
// than 23 of its 30 s left belongs to nobody. The sweep finds those, puts the
// tasks back at the front, and moves what asynq set aside for a retry: asynq's
// own forwarder would look for each queue apart.
//
// It also clears what asynq leaves for good: an entry whose task is gone, and a
// task whose workers were lost over and over, perhaps because nobody can decode
// it (a handler's error does not count). A bundle
// that is swept although its worker lives (a clock off by seconds, a process
// that stood still) is delivered twice, which callers fence against.

const (
	// sweepEvery is the time between two sweeps of a lane, by any process.
	sweepEvery = 1500 * time.Millisecond
	// leaseAlive is what is left, at least, of the lease of a living worker's
	// task: 30 s less the 5 s between heartbeats, less 2 s for rounding and
	// delay.
	leaseAlive = 23 * time.Second
	// sweepTries is how often a task of lost workers is put back before it is
	// dropped.
	sweepTries = 20
	// sweepLimit bounds the tasks of one queue that one sweep moves.
	sweepLimit = 100
)

// sweepScript puts tasks of one lane back.
//
//	KEYS[1]  when the lane was swept last, ms: one process does it for all
//	KEYS[n]  lease, active, pending, retry of each queue
//	ARGV[1]  least time between two sweeps, ms
//	ARGV[2]  a lease that ends before is dead, Unix seconds
//	ARGV[3]  now, Unix ms
//	ARGV[4]  most tasks of a queue
//	ARGV[5]  how often a task is put back
//	ARGV[6]  bell channel of the lane
//	ARGV[n]  task key prefix and ring of each queue
//
// It answers {put back, dropped}. The first EXISTS makes an idle lane cost two
// commands. The guard's age is compared, not left to its expiry, since miniredis
// has no clock of its own.
var sweepScript = redis.NewScript(`
local queues = (#KEYS - 1) / 4
local busy = {}
for i = 0, queues - 1 do
	busy[#busy + 1] = KEYS[i * 4 + 2]
	busy[#busy + 1] = KEYS[i * 4 + 5]
end
if redis.call("EXISTS", unpack(busy)) == 0 then
	return {0, 0}
end
local now = tonumber(ARGV[3])
local last = tonumber(redis.call("GET", KEYS[1]) or "0")
if math.abs(now - last) < tonumber(ARGV[1]) then
	return {0, 0}
end
redis.call("SET", KEYS[1], ARGV[3], "PX", ARGV[1])
local back, dropped = 0, 0
for i = 0, queues - 1 do
	local lease, active, pending, retry = KEYS[i * 4 + 2], KEYS[i * 4 + 3], KEYS[i * 4 + 4], KEYS[i * 4 + 5]
	local prefix, ring = ARGV[i * 2 + 7], ARGV[i * 2 + 8]
	local moved = 0
	local function putBack(id, lost)
		local key = prefix .. id
		if redis.call("HEXISTS", key, "msg") == 0 then
			redis.call("DEL", key)
			return
		end
		if lost and redis.call("HINCRBY", key, "swept", 1) > tonumber(ARGV[5]) then
			redis.call("DEL", key)
			dropped = dropped + 1
			return
		end
		redis.call("HSET", key, "state", "pending")
		redis.call("RPUSH", pending, id)
		moved = moved + 1
	end
	for _, id in ipairs(redis.call("ZRANGEBYSCORE", lease, "-inf", "(" .. ARGV[2], "LIMIT", 0, ARGV[4])) do
		redis.call("ZREM", lease, id)
		redis.call("LREM", active, 0, id)
		putBack(id, true)
	end
	for _, id in ipairs(redis.call("ZRANGEBYSCORE", retry, "-inf", math.floor(now / 1000), "LIMIT", 0, ARGV[4])) do
		redis.call("ZREM", retry, id)
		putBack(id, false)
	end
	if moved > 0 then
		back = back + moved
		redis.call("PUBLISH", ARGV[6], ring)
	end
end
return {back, dropped}`)

// sweep sweeps all lanes until ctx ends.
func (c *Consumer) sweep(ctx context.Context) {
	for {
		// Jitter keeps the processes of a fleet from asking at once.
		if !sleep(ctx, sweepEvery*3/4+rand.N(sweepEvery/2)) {
			return
		}
		if c.isAway.Load() {
			continue // the fetch loops say when Redis is back
		}
		c.sweepOnce(ctx, time.Now())
	}
}

// sweepOnce sweeps all lanes in one pipeline.
func (c *Consumer) sweepOnce(ctx context.Context, now time.Time) {
	pipe := c.rdb.Pipeline()
	cmds := make([]*redis.Cmd, len(c.opts.Lanes))
	for i, lane := range c.opts.Lanes {
		keys, args := sweepArgs(lane, now)
		cmds[i] = sweepScript.EvalSha(ctx, pipe, keys, args...)
	}
	pipe.Exec(ctx) // each command's error is looked at
	for i, cmd := range cmds {
		if kindOf(cmd.Err()) == kindNoScript {
			keys, args := sweepArgs(c.opts.Lanes[i], now)
			cmd = sweepScript.Eval(ctx, c.rdb, keys, args...)
		}
		n, err := cmd.Int64Slice()
		if err != nil || len(n) != 2 {
			if ctx.Err() == nil {
				c.log.Debug("sweep failed", "lane", c.opts.Lanes[i], "error", err)
			}
			continue
		}
		if n[0] > 0 {
			c.swept.Add(n[0])
			c.log.Info("put bundles of lost workers or failed handlers back", "lane", c.opts.Lanes[i], "bundles", n[0])
		}
		if n[1] > 0 {
			c.log.Error("dropped bundles that no worker could take; their runs are found by their records", "lane", c.opts.Lanes[i], "bundles", n[1], "tries", sweepTries)
		}
	}
}

func sweepArgs(lane int, now time.Time) (keys []string, args []any) {
	keys = []string{Key(lane, "sweep")}
	args = []any{
		(sweepEvery / 2).Milliseconds(),
		strconv.FormatInt(now.Add(leaseAlive).Unix(), 10),
		strconv.FormatInt(now.UnixMilli(), 10),
		sweepLimit, sweepTries, bellChannel(lane),
	}
	for _, p := range Priorities() {
		k := keysOf(Target{Lane: lane, Priority: p})
		keys = append(keys, k.lease, k.active, k.pending, k.retry)
		args = append(args, k.taskPrefix, string(p))
	}
	return keys, args
}
