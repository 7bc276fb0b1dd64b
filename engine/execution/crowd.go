package execution

import (
	"context"
	"sync/atomic"
	"time"

	"paragon/workflows/interpret"
)

// A run whose call takes long costs a worker memory and nothing else. So that
// far sides that hang don't keep all other runs waiting until their calls time
// out, two things hold on each worker:
//
//   - A run whose request has been under way for slowAfter does not count
//     against the capacity; at most as many as the capacity are spared so.
//   - A workflow with many such runs crowds the worker. While half of the
//     capacity is taken nevertheless, its runs make no further calls: they are
//     parked for a moment before the attempt, which is not counted, and come
//     again one after the other.
//
// So what hangs never takes more than the spared places and half of the others.
const (
	slowAfter  = time.Second
	crowdEvery = 250 * time.Millisecond
	// crowdPart of the capacity in slow calls makes a workflow crowd the worker;
	// it does for crowdFor after that.
	crowdPart = 16
	crowdFor  = 10 * time.Second
	// A run that made way comes again after aside at least, and farAside at most.
	aside    = time.Second
	farAside = 30 * time.Second
)

// calls is what a segment has under way at far sides.
type calls struct {
	under atomic.Int32
	moved atomic.Int64 // when one last began or ended, in ns
}

func (c *calls) begin(now time.Time) { c.moved.Store(now.UnixNano()); c.under.Add(1) }
func (c *calls) end(now time.Time)   { c.under.Add(-1); c.moved.Store(now.UnixNano()) }

// slow tells whether the run has been doing nothing but wait for an answer.
func (c *calls) slow(now time.Time) bool {
	return c.under.Load() > 0 && now.UnixNano()-c.moved.Load() > int64(slowAfter)
}

// crowding are the workflows that crowd a worker; of its mutex, but for some.
type crowding struct {
	spared    int // runs that don't count against the capacity now
	workflows map[string]*crowder
	some      atomic.Bool // whether there is any such workflow
}

// crowder is a workflow that crowds a worker.
type crowder struct {
	until time.Time
	// next is when the run that makes way next comes again.
	next time.Time
}

// taken is how many places are taken. The caller holds the mutex.
func (w *Worker) taken() int { return len(w.active) - w.crowding.spared }

// watchCalls looks at what takes long, until ctx ends.
func (w *Worker) watchCalls(ctx context.Context) {
	tick := time.NewTicker(crowdEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.lookAtCalls(w.opts.Now())
		case <-ctx.Done():
			return
		}
	}
}

func (w *Worker) lookAtCalls(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &w.crowding
	if c.spared == 0 && len(w.active) < (w.opts.Capacity+1)/2 && len(c.workflows) == 0 {
		return // nobody is in anybody's way
	}
	c.spared = 0
	slow := map[string]int{}
	for _, seg := range w.active {
		if seg.spared = seg.calls.slow(now) && c.spared < w.opts.Capacity; seg.spared {
			c.spared++
			slow[seg.state.start.Project+"/"+seg.state.start.Workflow]++
		}
	}
	for name, n := range slow {
		if n < max(w.opts.Capacity/crowdPart, 1) {
			continue
		}
		if c.workflows[name] == nil {
			if c.workflows == nil {
				c.workflows = map[string]*crowder{}
			}
			c.workflows[name] = &crowder{next: now}
			w.log.Warn("calls of a workflow take long, and many wait for an answer: while places are short its further calls wait",
				"workflow", name, "calls", n, "capacity", w.opts.Capacity)
		}
		c.workflows[name].until = now.Add(crowdFor)
	}
	for name, crowder := range c.workflows {
		if now.After(crowder.until) {
			delete(c.workflows, name)
		}
	}
	c.some.Store(len(c.workflows) > 0)
	w.room.Broadcast()
}

// aside tells whether a run that is about to call is to make way, and until when.
func (w *Worker) aside(seg *segment, now time.Time) (until time.Time, yes bool) {
	if !w.crowding.some.Load() {
		return time.Time{}, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.crowding.workflows[seg.state.start.Project+"/"+seg.state.start.Workflow]
	if c == nil || w.taken() <= w.opts.Capacity/2 {
		return time.Time{}, false
	}
	if least := now.Add(aside); c.next.Before(least) {
		c.next = least
	}
	c.next = c.next.Add(time.Second / time.Duration(w.opts.Capacity))
	if most := now.Add(farAside); c.next.After(most) {
		return most, true
	}
	return c.next, true
}

// makeWay parks the run instead of what it was about to do, if it is of a
// workflow that crowds the worker, or waits for its trial. It reports whether it
// did, and then, whether the segment is over: signals may have come meanwhile.
func (s *segment) makeWay(d interpret.Decision) (made, over bool, err error) {
	if len(s.todo) == 0 || len(s.effects) > 0 { // with something under way it holds its place anyway
		return false, false, nil
	}
	now := s.w.opts.Now()
	wake, yes := s.w.aside(s, now)
	if !yes && s.onTrial() {
		wake, yes = s.w.trials.enter(s, now)
	}
	if !yes {
		return false, false, nil
	}
	s.leaveUndone()
	if d.Wake.IsZero() || wake.Before(d.Wake) {
		d.Wake = wake
	}
	over, err = s.park(d)
	return true, over, err
}
