package metrics

import "paragon/engine/destination"

// destinations adds how sending to destinations goes.
func (r *reading) destinations(all []destination.Standing) {
	by := map[named]destination.Standing{}
	off := map[named]int64{}
	for _, s := range all {
		name := named{s.Project, s.Name.Name}
		by[name] = s
		off[name] = int64(number(s.Disabled))
	}
	busy := func(destination.Standing) int64 { return 0 }
	for name, s := range fold(&r.c.slots.destinations, by, busy, func(sum, s destination.Standing) destination.Standing {
		sum.Waiting += s.Waiting
		sum.Delay = max(sum.Delay, s.Delay)
		return sum
	}) {
		r.gauge(toldWaiting, float64(s.Waiting), name.project, name.name)
		r.gauge(toldDelay, s.Delay.Seconds(), name.project, name.name)
	}
	for name, n := range fold(&r.c.slots.destinations, off, func(int64) int64 { return 0 }, func(sum, n int64) int64 { return sum + n }) {
		r.gauge(toldDisabled, float64(n), name.project, name.name)
	}
}

// attempts adds what came of this process' attempts to send.
func (r *reading) attempts(all map[destination.Name]destination.Attempts) {
	by := map[named]destination.Attempts{}
	for name, n := range all {
		by[named{name.Project, name.Name}] = n
	}
	busy := func(n destination.Attempts) int64 { return n.Delivered + n.Failed }
	for name, n := range fold(&r.c.slots.destinations, by, busy, func(sum, n destination.Attempts) destination.Attempts {
		return destination.Attempts{Delivered: sum.Delivered + n.Delivered, Failed: sum.Failed + n.Failed}
	}) {
		r.counter(toldAttempts, n.Delivered, name.project, name.name, "delivered")
		r.counter(toldAttempts, n.Failed, name.project, name.name, "failed")
	}
}
