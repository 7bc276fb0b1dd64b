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
	at    time.Time
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
	refused int            // answers other than an acknowledgement
	last    error
	changed chan struct{}
}

// patience is how long a trigger is repeated after the load was stopped.
const patience = time.Minute

// load begins to trigger runs of the shapes in turn, from each of so many
// callers with a pause after each run.
func (c *cluster) load(callers int, pause time.Duration, doors []*process, shapes ...shape) *load {
	c.loads++
	l := &load{c: c, name: fmt.Sprintf("load%d", c.loads), began: time.Now(), stopped: make(chan struct{}), acked: map[string]ack{}, changed: make(chan struct{})}
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
	for i := 0; ; i++ {
		shape := shapes[(i+caller)%len(shapes)]
		l.one(fmt.Sprintf("%s-%s-%d-%d", l.name, shape.name, caller, i), shape, i+caller)
		select {
		case <-tick.C:
		case <-l.stopped:
			return
		}
	}
}

// one triggers a run until it is acknowledged.
func (l *load) one(key string, s shape, door int) {
	// The test's context ends before its cleanups do.
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.c.t.Context()))
	defer cancel()
	release := afterStop(l.stopped, patience, cancel)
	defer release()
	for try := 0; ctx.Err() == nil; try++ {
		run, err := l.clients[(door+try)%len(l.clients)].Trigger(ctx, s.name, request(strings.TrimSuffix(key, wakeSuffix), key), 0)
		if err == nil {
			l.note(key, ack{id: run.ID, shape: s, at: time.Now()})
			if s.listens {
				l.one(key+wakeSuffix, speaker, door)
			}
			return
		}
		l.mu.Lock()
		l.refused++
		l.last = err
		l.mu.Unlock()
		var problem *schema.Problem
		// A door that the configuration did not go through learns of it within
		// a second.
		errors.As(err, &problem)
		fresh := problem != nil && problem.Status == http.StatusNotFound && time.Since(l.began) < 2*time.Second
		if problem != nil && problem.Status < 500 && problem.Status != http.StatusTooManyRequests && !fresh {
			l.c.t.Errorf("trigger %s: %v (%d)", key, err, problem.Status)
			return
		}
		wait(ctx, 50*time.Millisecond)
	}
}

func (l *load) note(key string, a ack) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[key] = a
	close(l.changed)
	l.changed = make(chan struct{})
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
