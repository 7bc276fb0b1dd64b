package proxy

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/logs"
	"paragon/engine/queue"
	"paragon/engine/record"
	"paragon/engine/stats"
	"paragon/schema"
)

//go:embed append.lua
var appendSource string

var appendScript = redis.NewScript(appendSource)

const (
	// journalInterval is how long records wait to share a round trip.
	journalInterval = 100 * time.Millisecond
	// journalRows is how many records an entry of the log has at most.
	journalRows = 256
	// journalMost is how many records wait in memory while Redis is away; then
	// calls are refused.
	journalMost = 100_000
	// journalPatience bounds one round trip.
	journalPatience = 5 * time.Second
	// journalTurn is how long the log goes to one lane before it goes to the
	// next: the store takes few large batches more easily than many small ones,
	// and each lane has batches of its own.
	journalTurn = time.Second
)

// journal brings the records of calls into the log of the lanes, in batches.
type journal struct {
	opts *Options
	// full says that there is no room for more: in memory, or in the lanes.
	full atomic.Bool

	mu      sync.Mutex
	waiting []schema.ProxyCall
	many    chan struct{} // enough wait for an entry

	// Only flush uses these: lane is where the next entry goes, since when, and
	// room and args are the memory of an entry.
	lane    int
	since   time.Time
	room    []byte
	args    []any
	failing bool
}

func newJournal(opts *Options) *journal { return &journal{opts: opts, many: make(chan struct{}, 1)} }

func (j *journal) add(c *schema.ProxyCall) {
	j.mu.Lock()
	j.waiting = append(j.waiting, *c)
	n := len(j.waiting)
	j.mu.Unlock()
	if n == journalRows {
		select {
		case j.many <- struct{}{}:
		default:
		}
	}
	if n >= journalMost {
		j.full.Store(true)
	}
}

// follow writes what waits until ctx is done.
func (j *journal) follow(ctx context.Context) {
	tick := time.NewTicker(journalInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-j.many:
		}
		err := j.flush(ctx)
		if err != nil && ctx.Err() == nil && !j.failing {
			j.opts.Log.Warn("the log of proxy calls can't be written; it waits in memory", "error", err)
		}
		j.failing = err != nil
	}
}

// flush writes all that waits. What can't be written waits on.
func (j *journal) flush(ctx context.Context) error {
	j.mu.Lock()
	taken := j.waiting
	j.waiting = nil
	j.mu.Unlock()
	full := false
	for len(taken) > 0 {
		n := min(len(taken), journalRows)
		bytes, err := j.write(ctx, taken[:n])
		if err != nil {
			j.mu.Lock()
			j.waiting = append(taken, j.waiting...)
			j.full.Store(len(j.waiting) >= journalMost)
			j.mu.Unlock()
			return err
		}
		full = full || j.opts.LogLimit > 0 && bytes >= j.opts.LogLimit
		taken = taken[n:]
	}
	if !full && j.full.Load() {
		// Nothing comes that would tell how much waits by now.
		sizes, err := logs.Sizes(ctx, j.opts.Redis, j.opts.Lanes)
		if err != nil {
			return err
		}
		for _, size := range sizes {
			full = full || j.opts.LogLimit > 0 && size.Bytes >= j.opts.LogLimit
		}
	}
	j.full.Store(full)
	return nil
}

// write appends records to the log of the next lane, and returns how many bytes
// wait there.
func (j *journal) write(ctx context.Context, calls []schema.ProxyCall) (bytes int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, journalPatience)
	defer cancel()
	if now := time.Now(); now.Sub(j.since) > journalTurn {
		j.lane, j.since = (j.lane+1)%j.opts.Lanes, now
	}
	args, room := j.args[:0], j.room[:0]
	for i := range calls {
		begin := len(room)
		room = record.AppendProxyCall(room, &calls[i])
		// Where room had to grow, earlier rows stay where they were.
		args = append(args, logs.ProxyCallKey(calls[i].ID), room[begin:len(room):len(room)])
	}
	defer func() { clear(args); j.args, j.room = args, room }()
	bytes, err = appendScript.Run(ctx, j.opts.Redis, []string{queue.Key(j.lane)}, args...).Int64()
	if err != nil {
		return 0, fmt.Errorf("write the log of proxy calls: %w", err)
	}
	return bytes, nil
}

// mostPath bounds the path in a record, in bytes.
const mostPath = 500

// note records a call that has ended, and counts it. One that was refused
// before it was known where it would go leaves nothing.
func (p *Proxy) note(x *passage, err error) {
	if x.outlet == nil {
		return
	}
	took := p.now().Sub(x.started)
	c := schema.ProxyCall{
		ID: newCallID(x.started), Project: x.call.Project, Integration: x.call.Integration, User: x.call.User, Account: x.call.Account,
		Actor: x.call.Actor, Method: x.r.Method, Path: x.call.Path[:min(len(x.call.Path), mostPath)], Status: x.status,
		Sent: x.body.sent(), Received: x.received, Attempts: x.attempts, StartedAt: x.started, DurationMs: float64(took.Microseconds()) / 1000,
		TraceID: x.call.TraceID, Job: x.call.job,
	}
	ending := stats.Succeeded
	if err != nil {
		var refused *schema.Problem
		if c.Status == 0 && errors.As(err, &refused) {
			c.Status = refused.Status
		}
		c.ErrorType, c.Error = errorType(err), err.Error()
		ending = stats.Failed
		if c.ErrorType == schema.ProxyErrorCanceled {
			ending = stats.Canceled
		}
	} else if c.Status >= http.StatusInternalServerError || c.Status == http.StatusTooManyRequests {
		ending = stats.Failed
	}
	p.journal.add(&c)
	p.opts.Stats.Proxied(c.Project, c.Integration, ending, took)
}

func errorType(err error) string {
	var refused *schema.Problem
	switch {
	case errors.Is(err, errCanceled), errors.Is(err, context.Canceled):
		return schema.ProxyErrorCanceled
	case errors.Is(err, errTimeout):
		return schema.ProxyErrorTimeout
	case errors.Is(err, errBlocked):
		return schema.ProxyErrorBlocked
	case errors.Is(err, errTooLarge), errors.As(err, new(*http.MaxBytesError)):
		return schema.ProxyErrorTooLarge
	case errors.Is(err, errNetwork):
		return schema.ProxyErrorNetwork
	case errors.Is(err, errOpen):
		return schema.ProxyErrorOpen
	case errors.As(err, &refused) && refused.Status == http.StatusTooManyRequests:
		return schema.ProxyErrorLimited
	}
	return schema.ProxyErrorRefused
}
