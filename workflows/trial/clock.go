package trial

import (
	"context"
	"sync"
	"time"

	"paragon/workflows/exchange"
)

// clock is the time of a world. While an attempt is made it runs ahead of the
// world: what the attempt waits for, it has waited for.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	ahead  time.Time // zero while no attempt is made
	limits []*limit
}

var _ exchange.Clock = (*clock)(nil)

// Now is the time of the attempt that is made, else of the world.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.time()
}

func (c *clock) time() time.Time {
	if c.ahead.IsZero() {
		return c.now
	}
	return c.ahead
}

// begin lets an attempt begin now; its end is when it ended.
func (c *clock) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = c.now
}

func (c *clock) end() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.time()
	c.ahead = time.Time{}
	return at
}

// jump moves the world to a time.
func (c *clock) jump(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to.After(c.now) {
		c.now = to
	}
}

// Sleep lets the attempt's time pass, up to the deadline of ctx.
func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	to := c.Now().Add(max(d, 0))
	deadline, bounded := ctx.Deadline()
	late := bounded && !deadline.After(to)
	if late {
		to = deadline
	}
	c.mu.Lock()
	if c.ahead = to; c.now.After(to) {
		c.ahead = c.now
	}
	open := c.limits[:0]
	for _, l := range c.limits {
		if !l.deadline.After(c.ahead) {
			close(l.done)
			continue
		}
		open = append(open, l)
	}
	c.limits = open
	c.mu.Unlock()
	if late {
		return context.DeadlineExceeded
	}
	return nil
}

// WithTimeout is a context that ends when the clock shows so.
func (c *clock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	l := &limit{Context: ctx, clock: c, deadline: c.Now().Add(d), done: make(chan struct{})}
	if outer, ok := ctx.Deadline(); ok && outer.Before(l.deadline) {
		l.deadline = outer
	}
	c.mu.Lock()
	c.limits = append(c.limits, l)
	c.mu.Unlock()
	return l, l.cancel
}

// limit is a context with a deadline in the clock's time.
type limit struct {
	context.Context
	clock    *clock
	deadline time.Time
	done     chan struct{}
	canceled bool
}

func (l *limit) Deadline() (time.Time, bool) { return l.deadline, true }

func (l *limit) Done() <-chan struct{} { return l.done }

func (l *limit) Err() error {
	if err := l.Context.Err(); err != nil {
		return err
	}
	l.clock.mu.Lock()
	defer l.clock.mu.Unlock()
	switch {
	case !l.clock.time().Before(l.deadline):
		return context.DeadlineExceeded
	case l.canceled:
		return context.Canceled
	}
	return nil
}

func (l *limit) cancel() {
	l.clock.mu.Lock()
	defer l.clock.mu.Unlock()
	l.canceled = true
	for i, other := range l.clock.limits {
		if other == l {
			l.clock.limits = append(l.clock.limits[:i], l.clock.limits[i+1:]...)
			close(l.done)
			return
		}
	}
}
