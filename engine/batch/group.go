package batch

import (
	"context"
	"errors"
	"sync"
)

// ErrStopped is returned for calls made after Stop.
var ErrStopped = errors.New("batch: stopped")

// Group gathers calls of Do into calls of one function. The zero value is not
// usable; see NewGroup. It is safe for concurrent use.
type Group[Req, Res any] struct {
	run      func(ctx context.Context, reqs []Req) ([]Res, error)
	max      int
	parallel int

	mu      sync.Mutex
	waiting []*call[Req, Res]
	running int
	stopped bool
	idle    sync.WaitGroup // one count a round trip under way
	// calls are those that were answered, for others to come.
	calls sync.Pool
}

type call[Req, Res any] struct {
	req  Req
	res  Res
	err  error
	done chan struct{} // gets one value once it is answered
}

// NewGroup returns a group that calls run with at most maximum requests at a
// time, from at most parallel goroutines at once. run answers each request in
// order; an error of run is the error of all of them. Its context is not that
// of any caller: a caller that goes away leaves the others undisturbed.
func NewGroup[Req, Res any](maximum, parallel int, run func(ctx context.Context, reqs []Req) ([]Res, error)) *Group[Req, Res] {
	return &Group[Req, Res]{run: run, max: max(maximum, 1), parallel: max(parallel, 1)}
}

// Do hands in a request and waits for its answer. When ctx is done first, Do
// returns its error, and whether the request takes effect is not known.
func (g *Group[Req, Res]) Do(ctx context.Context, req Req) (Res, error) {
	c, ok := g.calls.Get().(*call[Req, Res])
	if !ok {
		c = &call[Req, Res]{done: make(chan struct{}, 1)}
	}
	c.req = req
	g.mu.Lock()
	if g.stopped {
		g.mu.Unlock()
		return c.res, ErrStopped
	}
	g.waiting = append(g.waiting, c)
	if g.running < g.parallel {
		g.running++
		g.idle.Add(1)
		go g.work()
	}
	g.mu.Unlock()
	select {
	case <-c.done:
		res, err := c.res, c.err
		*c = call[Req, Res]{done: c.done}
		g.calls.Put(c)
		return res, err
	case <-ctx.Done():
		var none Res // the answer may be being written
		return none, ctx.Err()
	}
}

// work makes round trips until nothing waits.
func (g *Group[Req, Res]) work() {
	defer g.idle.Done()
	for {
		g.mu.Lock()
		n := min(len(g.waiting), g.max)
		if n == 0 {
			g.running--
			g.mu.Unlock()
			return
		}
		calls := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		if len(g.waiting) == 0 {
			g.waiting = nil
		}
		g.mu.Unlock()
		g.trip(calls)
	}
}

func (g *Group[Req, Res]) trip(calls []*call[Req, Res]) {
	reqs := make([]Req, len(calls))
	for i, c := range calls {
		reqs[i] = c.req
	}
	results, err := g.run(context.Background(), reqs)
	if err == nil && len(results) != len(calls) {
		err = errors.New("batch: the number of answers is not that of requests")
	}
	for i, c := range calls {
		if err != nil {
			c.err = err
		} else {
			c.res = results[i]
		}
		c.done <- struct{}{}
	}
}

// Stop refuses further calls and waits for those under way, or for ctx.
func (g *Group[Req, Res]) Stop(ctx context.Context) error {
	g.mu.Lock()
	g.stopped = true
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		g.idle.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
