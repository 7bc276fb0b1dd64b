package tui

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// stats counts the runs from one time to another, as workers do.
func (f *fake) stats(from, to time.Time, step time.Duration) *api.Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &api.Stats{From: from, To: to, StepSeconds: int(step / time.Second), Workers: api.WorkerStats{Alive: 2, Silent: 1, Running: 207},
		Queue: api.QueueStats{Runs: 4800, Oldest: noon.Add(-160 * time.Second)}}
	within := func(at *time.Time) bool { return at != nil && !at.Before(from) && at.Before(to) }
	byStep, byWorkflow := map[time.Time][]schema.Run{}, map[string][]schema.Run{}
	for _, r := range f.runs {
		if within(r.EndedAt) {
			at := r.EndedAt.Truncate(step)
			byStep[at] = append(byStep[at], r)
			byWorkflow[r.Workflow] = append(byWorkflow[r.Workflow], r)
		}
	}
	for at := from; at.Before(to); at = at.Add(step) {
		if runs := byStep[at]; runs != nil {
			s.Points = append(s.Points, api.StatsPoint{At: at, StatsNumbers: numbers(runs)})
			s.Total = sum(s.Total, numbers(runs))
		}
	}
	for name, runs := range byWorkflow {
		series := api.SeriesStats{Name: name, StatsNumbers: numbers(runs), Trend: make([]int64, 30)}
		for _, r := range runs {
			series.Trend[int(r.EndedAt.Sub(from)*30/to.Sub(from))]++
		}
		s.Workflows = append(s.Workflows, series)
	}
	slices.SortFunc(s.Workflows, func(x, y api.SeriesStats) int { return strings.Compare(x.Name, y.Name) })
	return s
}

// numbers counts runs that ended; each had an attempt for each second it took,
// and those that failed a second one.
func numbers(runs []schema.Run) (n api.StatsNumbers) {
	var took, waited []float64
	for _, r := range runs {
		n.Started++
		n.Attempts++
		switch r.Status {
		case schema.RunSucceeded:
			n.Succeeded++
		case schema.RunFailed:
			n.Failed++
			n.Attempts++
			n.Retried++
		case schema.RunCanceled:
			n.Canceled++
		}
		took = append(took, float64(r.EndedAt.Sub(*r.StartedAt).Milliseconds()))
		waited = append(waited, float64(r.StartedAt.Sub(r.CreatedAt).Milliseconds()))
	}
	n.DurationP50Ms, n.DurationP99Ms = quantile(took, 0.5), quantile(took, 0.99)
	n.WaitP50Ms, n.WaitP99Ms = quantile(waited, 0.5), quantile(waited, 0.99)
	return n
}

// sum adds up counts.
func sum(x, y api.StatsNumbers) api.StatsNumbers {
	p := point{StatsNumbers: x}
	p.merge(y)
	return p.StatsNumbers
}

// quantile is the nearest-rank quantile.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return values[max(int(math.Ceil(q*float64(len(values))))-1, 0)]
}

func (f *fake) Stats(_ context.Context, q api.StatsQuery) (*api.Stats, error) {
	f.mu.Lock()
	err, to := f.ask("stats %s", q.Window), f.clock()
	f.mu.Unlock()
	return f.stats(to.Add(-q.Window).Truncate(q.Step), to, q.Step), err
}

// StreamStats tells of seconds as tick lets them end.
func (f *fake) StreamStats(ctx context.Context, _ api.StatsQuery, each func(*api.Stats) error) error {
	f.mu.Lock()
	err := f.ask("stream")
	f.mu.Unlock()
	if err != nil {
		return err
	}
	for {
		select {
		case to := <-f.ticks:
			if to.IsZero() {
				return nil // the server is about to stop
			}
			if err := each(f.stats(to.Add(-time.Second), to, time.Second)); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
