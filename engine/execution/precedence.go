package execution

import (
	"slices"

	"paragon/engine/queue"
)

// precedence is whose turn it is to fetch from the queues: while one of a higher
// priority waits for room, or has just had something, those of a lower one wait,
// so that room goes to the higher one. It is of the worker's mutex.
//
// That a queue had something counts until the next look at it, which comes at
// once, finds nothing or fails: a lane whose Redis hangs holds up nobody for
// longer than one answer.
type precedence struct {
	order []queue.Priority // the most urgent first, as the counts below
	// asking counts the queues of each priority that wait for room or for those
	// before, rich those in which the last look found something, which are in found.
	asking, rich []int
	found        map[queue.Target]bool
}

func newPrecedence() precedence {
	order := queue.Priorities()
	return precedence{order: order, asking: make([]int, len(order)), rich: make([]int, len(order)), found: map[queue.Target]bool{}}
}

// rank is the place of a priority in the order; all others yield to 0.
func (p *precedence) rank(of queue.Priority) int { return slices.Index(p.order, of) }

// yields tells whether queues of a rank are to wait for others.
func (p *precedence) yields(rank int) bool {
	for above := range rank {
		if p.asking[above] > 0 || p.rich[above] > 0 {
			return true
		}
	}
	return false
}

// note takes whether a look at a queue found something, and reports whether
// those that yielded to it may have to no longer.
func (p *precedence) note(t queue.Target, found bool) (less bool) {
	if p.found[t] == found {
		return false
	}
	if found {
		p.found[t] = true
		p.rich[p.rank(t.Priority)]++
		return false
	}
	delete(p.found, t)
	p.rich[p.rank(t.Priority)]--
	return true
}
