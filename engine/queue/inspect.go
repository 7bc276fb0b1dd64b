package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Depth is what one queue holds now.
type Depth struct {
	Target
	// Pending is the number of bundles that wait. How many ids they carry is
	// not counted; the runs' own records know.
	Pending int64
	// Active is the number of bundles that a handler has; Retry that of
	// bundles whose handler failed and that come back within seconds.
	Active, Retry int64
	// Oldest is when the bundle that is next was enqueued; zero when none
	// waits, or when the next was put back and its time is not known.
	Oldest time.Time
	// Paused says that nothing is fetched until Resume.
	Paused bool
}

// Inspector shows and steers queues. Its methods are safe for concurrent use.
type Inspector struct {
	rdb   redis.UniversalClient
	lanes []int
}

// NewInspector makes an Inspector of the lanes on rdb, which stays the
// caller's.
func NewInspector(rdb redis.UniversalClient, lanes []int) *Inspector {
	return &Inspector{rdb: rdb, lanes: lanes}
}

// headScript answers what is at the head of a queue and how much it holds.
//
//	KEYS[1] pending, KEYS[2] active, KEYS[3] retry, KEYS[4] paused
//	ARGV[1] task key prefix
//
// It answers {pending, active, retry, paused, since}: since in nanoseconds as
// text, "" when it is not known.
var headScript = redis.NewScript(`
local since = ""
local id = redis.call("LINDEX", KEYS[1], -1)
if id then
	since = redis.call("HGET", ARGV[1] .. id, "pending_since") or ""
end
return {
	redis.call("LLEN", KEYS[1]), redis.call("LLEN", KEYS[2]), redis.call("ZCARD", KEYS[3]),
	redis.call("EXISTS", KEYS[4]), since
}`)

// Depths shows all queues of all lanes, in one round trip.
func (i *Inspector) Depths(ctx context.Context) ([]Depth, error) {
	return i.read(ctx, Targets(i.lanes))
}

// OldestPending tells when the bundle that is fetched next from a queue was
// enqueued; ok is false when none waits. What was enqueued before that time is
// not in the queue any more. The time is zero when the next bundle was put
// back to the front and its time is not known; then nothing can be concluded.
func (i *Inspector) OldestPending(ctx context.Context, t Target) (at time.Time, ok bool, err error) {
	t = t.normal()
	if err := t.check(); err != nil {
		return time.Time{}, false, err
	}
	ds, err := i.read(ctx, []Target{t})
	if err != nil {
		return time.Time{}, false, err
	}
	return ds[0].Oldest, ds[0].Pending > 0, nil
}

func (i *Inspector) read(ctx context.Context, ts []Target) ([]Depth, error) {
	out := make([]Depth, len(ts))
	cmds := make([]*redis.Cmd, len(ts))
	args := func(t Target) ([]string, string) {
		k := keysOf(t)
		return []string{k.pending, k.active, k.retry, k.paused}, k.taskPrefix
	}
	pipe := i.rdb.Pipeline()
	for n, t := range ts {
		keys, prefix := args(t)
		cmds[n] = headScript.EvalSha(ctx, pipe, keys, prefix)
	}
	pipe.Exec(ctx) // each command's error is looked at
	for n, t := range ts {
		cmd := cmds[n]
		if kindOf(cmd.Err()) == kindNoScript {
			keys, prefix := args(t)
			cmd = headScript.Eval(ctx, i.rdb, keys, prefix)
		}
		v, err := cmd.Slice()
		if err != nil {
			return nil, fmt.Errorf("queue: read depth of %s: %w", t, err)
		}
		if out[n], err = parseDepth(t, v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func parseDepth(t Target, v []any) (Depth, error) {
	d := Depth{Target: t}
	var n [4]int64
	since, ok := "", len(v) == 5
	if ok {
		since, ok = v[4].(string)
		for i := range n {
			var is bool
			n[i], is = v[i].(int64)
			ok = ok && is
		}
	}
	if !ok {
		return d, fmt.Errorf("queue: read depth of %s: unexpected reply %v", t, v)
	}
	d.Pending, d.Active, d.Retry, d.Paused = n[0], n[1], n[2], n[3] != 0
	if ns, err := strconv.ParseInt(since, 10, 64); err == nil {
		d.Oldest = time.Unix(0, ns)
	}
	return d, nil
}

// Pause keeps all processes from fetching from the targets, or from all
// queues of the Inspector's lanes when none is given, until Resume. Enqueueing
// goes on. To pause what is paused is no error.
func (i *Inspector) Pause(ctx context.Context, ts ...Target) error {
	return i.each(ctx, "pause", ts, func(pipe redis.Pipeliner, t Target) {
		// The value is as asynq's own tools write it.
		pipe.SetNX(ctx, keysOf(t).paused, time.Now().Unix(), 0)
	})
}

// Resume ends Pause. To resume what is not paused is no error.
func (i *Inspector) Resume(ctx context.Context, ts ...Target) error {
	return i.each(ctx, "resume", ts, func(pipe redis.Pipeliner, t Target) {
		pipe.Del(ctx, keysOf(t).paused)
		pipe.Publish(ctx, bellChannel(t.Lane), string(t.Priority))
	})
}

func (i *Inspector) each(ctx context.Context, what string, ts []Target, f func(redis.Pipeliner, Target)) error {
	if len(ts) == 0 {
		ts = Targets(i.lanes)
	}
	pipe := i.rdb.Pipeline()
	for _, t := range ts {
		t = t.normal()
		if err := t.check(); err != nil {
			return err
		}
		f(pipe, t)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("queue: %s: %w", what, err)
	}
	return nil
}
