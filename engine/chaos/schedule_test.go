package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// fault is one entry of a schedule: something breaks, and after a time it is
// whole again.
type fault struct {
	// at is when it begins, from the beginning of the schedule.
	at, lasts time.Duration
	kind      *kind
	// process is the number of the process that it hits, if it hits one.
	process int
	// beside: it begins while another lasts.
	beside bool
}

func (f fault) String() string {
	on := ""
	if f.kind.breaks&aProcess != 0 {
		on = fmt.Sprintf(" (process %d)", f.process)
	}
	return fmt.Sprintf("%s%s for %v", f.kind.name, on, f.lasts.Round(time.Millisecond))
}

func (f fault) end() time.Duration { return f.at + f.lasts }

// clashes tells whether two faults can't be at the same time.
func (f fault) clashes(g fault) bool {
	both := f.kind.breaks & g.kind.breaks
	if f.process != g.process {
		both &^= aProcess
	}
	return both != 0
}

// calm bounds the time between two faults, unless the second begins before the
// first is over.
const calm = time.Second

// outage is what is left, at least, of a fault during which others come one
// after the other, each after so long at most.
const outage = 15 * time.Second

// schedule makes the faults of a seed, for a time, for so many processes, of
// which the last has a clock that can be moved. At first each kind comes once,
// in any order, so that every schedule is rich; after that they come by their
// weights.
func schedule(seed uint64, total time.Duration, processes int) []fault {
	r := rand.New(rand.NewPCG(seed, 0))
	fit := slices.DeleteFunc(pointers(kinds), func(k *kind) bool { return k.long && total < longFrom })
	r.Shuffle(len(fit), func(i, j int) { fit[i], fit[j] = fit[j], fit[i] })
	need := time.Duration(0) // what those that are still to come once need at least
	for _, k := range fit {
		need += calm + k.from
	}
	var out []fault
	for end := time.Duration(0); ; {
		f := fault{process: r.IntN(processes)}
		if n := len(out); n < len(fit) {
			f.kind = fit[n]
			need -= calm + f.kind.from
		} else if f.kind = draw(r, fit, total-end-calm); f.kind == nil {
			return out
		}
		if f.kind.clock {
			f.process = processes - 1
		}
		f.at = end + time.Duration(r.Int64N(int64(calm)))
		if early, ok := f.into(out, r); ok {
			f.at, f.beside = early, true
		}
		spare := min(f.kind.to-f.kind.from, total-need-f.at-f.kind.from)
		f.lasts = f.kind.from + time.Duration(r.Int64N(int64(max(spare, 1))))
		if f.end() > total { // not even each kind once fits
			return out
		}
		end = max(end, f.end())
		out = append(out, f)
	}
}

// into says when a fault begins while another lasts, which one in three does,
// and one after the other during an outage. Never more than two are at the same
// time.
func (f fault) into(before []fault, r *rand.Rand) (at time.Duration, ok bool) {
	if len(before) == 0 {
		return 0, false
	}
	longest := slices.MaxFunc(before, func(a, b fault) int { return int(a.end() - b.end()) })
	free := before[len(before)-1].at // from when only the longest lasts
	for _, g := range before {
		if g != longest {
			free = max(free, g.end())
		}
	}
	left := longest.end() - free
	if left <= 0 || f.clashes(longest) || f.returns(before) || left < outage && r.IntN(3) != 0 {
		return 0, false
	}
	return free + time.Duration(r.Int64N(int64(min(left, outage)))), true
}

// returns tells whether a fault hits a process that one of those that lately
// came beside one another has hit: it may still be coming up.
func (f fault) returns(before []fault) bool {
	for _, g := range slices.Backward(before) {
		if f.process == g.process && f.kind.breaks&g.kind.breaks&aProcess != 0 {
			return true
		}
		if !g.beside {
			return false
		}
	}
	return false
}

// draw takes a kind by its weight, of those that a time is enough for; nil when
// it is for none.
func draw(r *rand.Rand, of []*kind, room time.Duration) *kind {
	of = slices.DeleteFunc(slices.Clone(of), func(k *kind) bool { return k.from > room })
	sum := 0
	for _, k := range of {
		sum += k.weight
	}
	if sum == 0 {
		return nil
	}
	n := r.IntN(sum)
	i := 0
	for ; n >= of[i].weight; i++ {
		n -= of[i].weight
	}
	return of[i]
}

func pointers[T any](s []T) []*T {
	out := make([]*T, len(s))
	for i := range s {
		out[i] = &s[i]
	}
	return out
}

// moment is the beginning of a fault or its end.
type moment struct {
	at   time.Duration
	over bool
	fault
}

// moments puts the beginnings and ends of faults in their order.
func moments(faults []fault) []moment {
	var out []moment
	for _, f := range faults {
		out = append(out, moment{f.at, false, f}, moment{f.end(), true, f})
	}
	slices.SortStableFunc(out, func(a, b moment) int { return int(a.at - b.at) })
	return out
}
