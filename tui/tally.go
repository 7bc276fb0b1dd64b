package tui

import (
	"math"
	"slices"
	"time"

	"paragon/schema"
)

// The overview counts over this time, in steps of this length.
const (
	tallyOver = 5 * time.Minute
	tallyStep = 5 * time.Second
)

// point is what was counted in one step.
type point struct {
	// A second.
	accepted, succeeded, failed float64
	// From acceptance to the end, in seconds; NaN: no run ended.
	p50, p99 float64
	// At the end of the step: runs that wait for a worker, the age in seconds of
	// the oldest of them, and runs that have not ended.
	queued, oldest, open float64
}

// failing is the part of the ended runs that failed, in percent; NaN: none
// ended.
func (p point) failing() float64 {
	if p.succeeded+p.failed == 0 {
		return math.NaN()
	}
	return 100 * p.failed / (p.succeeded + p.failed)
}

// tally counts runs by steps of time up to now. Of what was before known
// nothing is said: those points are NaN.
func tally(runs []*schema.Run, now, known time.Time) []point {
	n := int(tallyOver / tallyStep)
	end := now.Truncate(tallyStep) // the step under way would look like a fall
	begin := end.Add(-tallyOver)
	points := make([]point, n)
	took := make([][]float64, n)
	// stepOf is the step that a time falls in, and may be outside of 0 to n-1.
	stepOf := func(at time.Time) int { return int(math.Floor(float64(at.Sub(begin)) / float64(tallyStep))) }
	for _, r := range runs {
		created := stepOf(r.CreatedAt)
		if created >= 0 && created < n {
			points[created].accepted++
		}
		started, ended := n, n // the steps at whose ends it no longer waits, or is no longer open
		switch {
		case r.StartedAt != nil:
			started = stepOf(*r.StartedAt)
		case r.EndedAt != nil:
			started = stepOf(*r.EndedAt)
		}
		if r.EndedAt != nil {
			if ended = stepOf(*r.EndedAt); ended >= 0 && ended < n {
				took[ended] = append(took[ended], r.EndedAt.Sub(r.CreatedAt).Seconds())
				switch r.Status {
				case schema.RunSucceeded:
					points[ended].succeeded++
				case schema.RunFailed:
					points[ended].failed++
				}
			}
		}
		for i := max(created, 0); i < min(ended, n); i++ {
			points[i].open++
			if i < started {
				points[i].queued++
				points[i].oldest = max(points[i].oldest, begin.Add(time.Duration(i+1)*tallyStep).Sub(r.CreatedAt).Seconds())
			}
		}
	}
	for i := range points {
		p := &points[i]
		if begin.Add(time.Duration(i) * tallyStep).Before(known) {
			nan := math.NaN()
			*p = point{nan, nan, nan, nan, nan, nan, nan, nan}
			continue
		}
		p.accepted /= tallyStep.Seconds()
		p.succeeded /= tallyStep.Seconds()
		p.failed /= tallyStep.Seconds()
		slices.Sort(took[i])
		p.p50, p.p99 = quantile(took[i], 0.5), quantile(took[i], 0.99)
	}
	return points
}

// quantile is the nearest-rank quantile of sorted values; NaN of none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}
