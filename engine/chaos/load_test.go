package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// ack is an acknowledged trigger.
type ack struct {
	id    string
	shape shape
	// began is when it was first sent, at when it was acknowledged.
	began, at time.Time
	// stopping is when its cancel was first asked for, and stopped says that
	// this was acknowledged.
	stopping time.Time
	stopped  bool
	// replays counts the replays of it that were asked for.
	replays int
}

// load triggers runs until it is stopped, and keeps the history of what was
// acknowledged. A trigger whose answer was lost is sent again with its key.
type load struct {
	c       *cluster
	name    string // begins its keys
	began   time.Time
	clients []*api.Client
	stopped chan struct{}
	wg      sync.WaitGroup

	mu      sync.Mutex
	acked   map[string]ack // by key
	dropped map[string]ack // by key: triggers that were refused for good
	refused int            // answers other than an acknowledgement
	full    int            // refusals since the log is at its limit
	last    error
	changed chan struct{}
}

// logLimitWords are in the refusal of a trigger since the log is at its limit.
const logLimitWords = "log that waits to be written"

// patience is how long a trigger is repeated after the load was stopped.
const patience = time.Minute

// load begins to trigger runs of the shapes in turn, from each of so many
// callers with a pause after each run.
func (c *cluster) load(callers int, pause time.Duration, doors []*process, shapes ...shape) *load {
	l := &load{
		c: c, name: fmt.Sprintf("load%d", len(c.loads)+1), began: time.Now(), stopped: make(chan struct{}),
		acked: map[string]ack{}, dropped: map[string]ack{}, changed: make(chan struct{}),
	}
	c.loads = append(c.loads, l)
	for _, p := range doors {
		l.clients = append(l.clients, c.client(p))
	}
	for i := range callers {
		l.wg.Add(1)
		go func() { defer l.wg.Done(); l.call(i, pause, shapes) }()
	}
	c.t.Cleanup(func() { l.stop() })
	return l
}

func (l *load) call(caller int, pause time.Duration, shapes []shape) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var wishes []wish
	defer func() { l.grant(wishes, true) }()
	for i := 0; ; i++ {
		shape := shapes[(i+caller)%len(shapes)]
		key := fmt.Sprintf("%s-%s-%d-%d", l.name, shape.name, caller, i)
		if l.one(key, shape, i+caller) {
			wishes = append(wishes, wishesFor(key, shape, i+caller)...)
		}
		wishes = l.grant(wishes, false)
		select {
		case <-tick.C:
		case <-l.stopped:
			return
		}
	}
}

// one triggers a run until it is acknowledged; false says that it was refused
// for good.
func (l *load) one(key string, s shape, door int) bool {
	// The test's context ends before its cleanups do.
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.c.t.Context()))
	defer cancel()
	release := afterStop(l.stopped, patience, cancel)
	defer release()
	began := time.Now()
	for try := 0; ctx.Err() == nil; try++ {
		run, err := l.clients[(door+try)%len(l.clients)].Trigger(ctx, s.name, s.request(strings.TrimSuffix(key, wakeSuffix), key), 0)
		if err == nil {
			l.note(key, ack{id: run.ID, shape: s, began: began, at: time.Now()})
			if s.listens {
				l.one(key+wakeSuffix, speaker, door)
			}
			return true
		}
		var problem *schema.Problem
		l.refuse(err)
		// A door that the configuration did not go through learns of it within
		// a second.
		errors.As(err, &problem)
		if s.drops && problem != nil && problem.Status == http.StatusTooManyRequests {
			l.drop(key, ack{shape: s, began: began, at: time.Now()}, problem)
			return false
		}
		fresh := problem != nil && problem.Status == http.StatusNotFound && time.Since(l.began) < 2*time.Second
		if problem != nil && problem.Status < 500 && problem.Status != http.StatusTooManyRequests && !fresh {
			l.c.t.Errorf("trigger %s: %v (%d)", key, err, problem.Status)
			return false
		}
		wait(ctx, 50*time.Millisecond)
	}
	return false
}

// drop notes a trigger beyond a rate limit.
func (l *load) drop(key string, a ack, p *schema.Problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped[key] = a
	if p.RetryAfter <= 0 {
		l.c.t.Errorf("trigger %s was refused at the rate limit without Retry-After: %v", key, p)
	}
}

func (l *load) note(key string, a ack) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[key] = a
	l.change()
}

func (l *load) change() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// refuse notes an answer that acknowledges nothing. At the limit of the log it
// must say when to come back.
func (l *load) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
	l.last = err
	var problem *schema.Problem
	if !errors.As(err, &problem) || !strings.Contains(problem.Detail, logLimitWords) {
		return
	}
	if problem.Status != http.StatusServiceUnavailable || problem.RetryAfter <= 0 {
		l.c.t.Errorf("at the limit of the log: %d, Retry-After %d; want 503 with Retry-After", problem.Status, problem.RetryAfter)
	}
	l.full++
	l.change()
}

// awaitFull waits until a trigger was refused since the log is at its limit.
func (l *load) awaitFull(t testing.TB, within time.Duration) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for {
		l.mu.Lock()
		changed, full, last := l.changed, l.full, l.last
		l.mu.Unlock()
		if full > 0 {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("in %v the log did not reach its limit (last error: %v)", within, last)
		}
	}
}

// afterStop calls f a while after stopped is closed; the function it returns
// gives that up.
func afterStop(stopped <-chan struct{}, d time.Duration, f func()) (release func()) {
	left := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-stopped:
		case <-left:
			return
		}
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			f()
		case <-left:
		}
	})
	return func() { close(left); wg.Wait() }
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// stop ends the load and returns what was acknowledged. It may be called
// twice.
func (l *load) stop() map[string]ack {
	l.mu.Lock()
	select {
	case <-l.stopped:
	default:
		close(l.stopped)
	}
	l.mu.Unlock()
	l.wg.Wait()
	return l.acked
}

// since lists the runs that were acknowledged after a time.
func (l *load) since(at time.Time) (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.acked {
		if a.at.After(at) {
			ids = append(ids, a.id)
		}
	}
	return ids
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// await waits until so many more triggers were acknowledged.
func (l *load) await(t testing.TB, more int, within time.Duration) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	for want := l.count() + more; ; {
		l.mu.Lock()
		changed, have, last := l.changed, len(l.acked), l.last
		l.mu.Unlock()
		if have >= want {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("in %v only %d of %d triggers were acknowledged (last error: %v)", within, more-(want-have), more, last)
		}
	}
}
