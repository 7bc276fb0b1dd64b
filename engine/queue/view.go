package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// view is the Redis client that one asynq server gets: everything goes to the
// shared client, but asynq's dequeue of an empty queue is held until a ring.
//
// It sits above the client rather than in a go-redis hook, because a hook
// would be called for every command of the shared client, and below it holding
// one command would hold the whole autopipelined batch.
//
// asynq computes a task's lease, 30 s from now, before it asks for the task;
// had the view waited first and asked then, the lease could be over before the
// task begins, and asynq would never write its completion. So the view asks
// first, waits after an empty reply, and returns the empty reply: asynq, told
// to sleep a nanosecond, comes back at once with a fresh lease.
type view struct {
	redis.UniversalClient
	consumer *Consumer
	target   Target
	keys     asynqKeys
	// bell holds one ring that has not been answered by a dequeue yet.
	bell chan struct{}

	// What follows belongs to asynq's one fetch loop.

	// ready says that the worker's capacity has been waited for already.
	ready bool
	// failures counts dequeues in a row that Redis did not answer.
	failures int
}

// staleLease is how long a dequeue may wait for capacity before asynq has to
// compute the lease again.
const staleLease = 500 * time.Millisecond

// ring wakes the view's wait, now or next.
func (v *view) ring() {
	select {
	case v.bell <- struct{}{}:
	default:
	}
}

// EvalSha runs asynq's scripts, and holds its dequeue.
func (v *view) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return v.script(keys, func() *redis.Cmd { return v.UniversalClient.EvalSha(ctx, sha, keys, args...) })
}

// Eval runs asynq's scripts, and holds its dequeue.
func (v *view) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return v.script(keys, func() *redis.Cmd { return v.UniversalClient.Eval(ctx, script, keys, args...) })
}

func (v *view) script(keys []string, run func() *redis.Cmd) *redis.Cmd {
	switch {
	case v.isDequeue(keys):
		return v.dequeue(run)
	case isRegistry(keys):
		return redis.NewCmdResult("OK", nil)
	}
	cmd := run()
	if errors.Is(cmd.Err(), redis.Nil) {
		// None of asynq's other scripts answers nil: this must be its dequeue in
		// a shape that we don't know. Then it polls, as asynq does by default.
		v.consumer.unknown(v.target)
		v.pause(time.Second/2 + rand.N(time.Second))
	}
	return cmd
}

// isDequeue knows asynq's dequeue script by its keys.
func (v *view) isDequeue(keys []string) bool {
	return len(keys) == 4 && keys[0] == v.keys.pending && keys[1] == v.keys.paused &&
		keys[2] == v.keys.active && keys[3] == v.keys.lease
}

// dequeue asks for a task once the worker has room, and returns an empty reply
// only after a ring.
func (v *view) dequeue(run func() *redis.Cmd) *redis.Cmd {
	c := v.consumer
	if !v.ready {
		if stale := c.waitReady(v); stale {
			return redis.NewCmdResult(nil, redis.Nil)
		}
	}
	if c.fetching.Err() != nil {
		c.hold()
		return redis.NewCmdResult(nil, redis.Nil)
	}
	v.ready = false
	// Rings until here belong to tasks that this dequeue will see.
	select {
	case <-v.bell:
	default:
	}
	cmd := run()
	err := cmd.Err()
	if c.opts.Looked != nil && kindOf(err) != kindNoScript {
		c.opts.Looked(v.target, err == nil)
	}
	switch {
	case err == nil:
		v.failures = 0
		c.back()
	case errors.Is(err, redis.Nil):
		v.failures = 0
		c.back()
		c.empty.Add(1)
		v.wait()
	case kindOf(err) == kindNoScript:
		// asynq sends the script's text next; the room is still there.
		v.ready = true
	default:
		// asynq would ask again at once. The lost reply may have held a task;
		// the sweep finds it.
		c.away(v.target, err)
		v.pause(backoff(v.failures))
		v.failures++
		return redis.NewCmdResult(nil, redis.Nil)
	}
	return cmd
}

// wait returns at a ring, at the safety interval, or when fetching ends.
func (v *view) wait() {
	c := v.consumer
	d := c.opts.Safety
	if !c.bells.up.Load() {
		d = c.opts.Poll
	}
	t := time.NewTimer(d*3/4 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-v.bell:
		c.rings.Add(1)
	case <-t.C:
	case <-c.fetching.Done():
	}
}

func (v *view) pause(d time.Duration) { sleep(v.consumer.fetching, d) }

// backoff is the pause after the n-th failure in a row, n from 0: 50 ms to 1 s,
// halved to one and a half times.
func backoff(n int) time.Duration {
	d := min(50*time.Millisecond<<min(n, 5), time.Second)
	return d/2 + rand.N(d)
}

// asynq keeps a registry of its servers and of the payloads that they work on,
// and writes it every 5 s, for its own tools. We have heartbeats of our own, a
// dozen servers a process, and payloads that are gone in a millisecond: those
// writes are answered here.

func isRegistry(keys []string) bool {
	return len(keys) == 2 && strings.HasPrefix(keys[0], "asynq:servers:{") && strings.HasPrefix(keys[1], "asynq:workers:{")
}

func isRegistryIndex(key string) bool { return key == "asynq:servers" || key == "asynq:workers" }

// ZAdd leaves out asynq's index of servers.
func (v *view) ZAdd(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	if isRegistryIndex(key) {
		return redis.NewIntResult(0, nil)
	}
	return v.UniversalClient.ZAdd(ctx, key, members...)
}

// ZRem leaves out asynq's index of servers.
func (v *view) ZRem(ctx context.Context, key string, members ...any) *redis.IntCmd {
	if isRegistryIndex(key) {
		return redis.NewIntResult(0, nil)
	}
	return v.UniversalClient.ZRem(ctx, key, members...)
}

// Subscribe refuses asynq's channel of cancellations: a bundle is done before
// anyone could cancel it, and the channel costs a connection for each server.
// asynq tries again every 5 s, which costs nothing.
func (v *view) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	if len(channels) == 1 && channels[0] == "asynq:cancel" {
		return v.consumer.nowhere.Subscribe(ctx)
	}
	return v.UniversalClient.Subscribe(ctx, channels...)
}
