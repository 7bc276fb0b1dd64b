package tui

import (
	"math"
	"slices"
	"time"

	"paragon/schema"
)

// lately is what the overview counted of one workflow.
type lately struct {
	// accepted is by steps of tallyStep; NaN: not known.
	accepted []float64
	runs     int
	// failing is in percent, p99 in seconds; NaN: no run ended.
	failing, p99 float64
}

// byWorkflow is what was counted of each workflow whose runs are known.
func (v *overview) byWorkflow(now time.Time) map[string]lately {
	runs := map[string][]*schema.Run{}
	for _, r := range v.log.runs {
		runs[r.Workflow] = append(runs[r.Workflow], r)
	}
	out := make(map[string]lately, len(runs))
	for name, of := range runs {
		out[name] = latelyOf(of, now, v.known(now))
	}
	return out
}

func latelyOf(runs []*schema.Run, now, known time.Time) lately {
	l := lately{runs: len(runs), failing: math.NaN()}
	for _, p := range tally(runs, now, known) {
		l.accepted = append(l.accepted, p.accepted)
	}
	var took []float64
	failed, ended := 0, 0
	for _, r := range runs {
		if r.EndedAt == nil {
			continue
		}
		took = append(took, r.EndedAt.Sub(r.CreatedAt).Seconds())
		switch r.Status {
		case schema.RunFailed:
			failed++
			ended++
		case schema.RunSucceeded:
			ended++
		}
	}
	if ended > 0 {
		l.failing = 100 * float64(failed) / float64(ended)
	}
	slices.Sort(took)
	l.p99 = quantile(took, 0.99)
	return l
}
