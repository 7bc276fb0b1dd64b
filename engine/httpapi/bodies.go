package httpapi

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// turnWait bounds how long a request waits for its turn.
const turnWait = 10 * time.Second

// turns bounds how many requests are worked on at a time; more wait in line,
// which takes a goroutine and a connection each and none of their answers'
// memory. It is about reads and changes of what is stored: what starts runs
// bounds itself, what is public is cheap, and what is passed on to others, by
// any method, mostly waits for them.
type turns struct{ *semaphore.Weighted }

func newTurns(most int) turns { return turns{semaphore.NewWeighted(int64(most))} }

func (rt *route) takesTurns() bool { return rt.access != public && !rt.ownKeys && rt.method != "" }

// take waits for the request's turn, which lasts until the request lets go.
func (t turns) take(r *request) error {
	if !r.route.takesTurns() {
		return nil
	}
	if !t.TryAcquire(1) {
		ctx, cancel := context.WithTimeout(r.Context(), turnWait)
		defer cancel()
		if t.Acquire(ctx, 1) != nil {
			if err := r.Context().Err(); err != nil {
				return err
			}
			return unavailable("too many requests are being answered: try again in a moment")
		}
	}
	r.turn = t
	return nil
}

// bodies bounds the memory that the bodies of all requests take together, so
// that no number of callers takes the process down.
type bodies struct {
	limit int64
	held  atomic.Int64
}

// hold counts a request's body until the request lets go of it, or asks the
// caller to come again.
func (b *bodies) hold(r *request, size int64) error {
	if size <= 0 {
		return nil
	}
	if b.held.Add(size) > b.limit {
		b.held.Add(-size)
		p := unavailable("the process holds as many request bodies as it may: try again in a moment")
		p.RetryAfter = 1
		return p
	}
	r.bodies, r.held = b, r.held+size
	return nil
}

// letGo says that the work is done, and with it the body: the rest of the
// request is a wait.
func (r *request) letGo() {
	if r.held > 0 {
		r.bodies.held.Add(-r.held)
		r.held = 0
	}
	if r.turn.Weighted != nil {
		r.turn.Release(1)
		r.turn = turns{}
	}
}
