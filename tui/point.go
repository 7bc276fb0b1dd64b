package tui

import (
	"math"
	"time"

	"paragon/schema/api"
)

// point is what was counted in one step of time.
type point struct {
	at      time.Time
	seconds float64
	// unknown says that it was missed: nothing is said of it.
	unknown bool
	api.StatsNumbers
	// gauges is what was seen at its end; nil: nobody looked.
	gauges *gauges
}

// gauges are what is not counted but seen.
type gauges struct {
	queued, oldest   float64 // runs; seconds
	workers, running float64
}

// gaugesOf is what was seen when the statistics were made.
func gaugesOf(s *api.Stats) *gauges {
	g := &gauges{queued: float64(s.Queue.Runs), workers: float64(s.Workers.Alive), running: float64(s.Workers.Running)}
	if !s.Queue.Oldest.IsZero() {
		g.oldest = max(s.To.Sub(s.Queue.Oldest).Seconds(), 0)
	}
	return g
}

// pointsOf are all steps of statistics, those in which nothing was counted too.
func pointsOf(s *api.Stats) []point {
	step := time.Duration(max(s.StepSeconds, 1)) * time.Second
	var points []point
	for at := s.From; at.Before(s.To); at = at.Add(step) {
		points = append(points, point{at: at, seconds: min(step, s.To.Sub(at)).Seconds()})
	}
	for _, p := range s.Points {
		if i := int(p.At.Sub(s.From) / step); i >= 0 && i < len(points) {
			points[i].merge(p.StatsNumbers)
			if g := p.Gauges; g != nil {
				points[i].gauges = &gauges{queued: g.Queued, oldest: g.OldestSeconds, workers: g.Workers, running: g.Running}
			}
		}
	}
	return points
}

// merge adds counts.
func (p *point) merge(n api.StatsNumbers) {
	add(&p.StatsNumbers, n)
	p.unknown = false
}

// add adds counts to others. Quantiles can't be added up: those of the larger
// part stand for both.
func add(to *api.StatsNumbers, n api.StatsNumbers) {
	if to.Ended() > n.Ended() {
		*to, n = n, *to
	}
	*to, n = n, *to
	to.Started += n.Started
	to.Succeeded += n.Succeeded
	to.Failed += n.Failed
	to.Canceled += n.Canceled
	to.Attempts += n.Attempts
	to.Retried += n.Retried
}

// rate is a count a second.
func (p *point) rate(n int64) float64 {
	if p.unknown || p.seconds <= 0 {
		return math.NaN()
	}
	return float64(n) / p.seconds
}

// share is a part of a whole in percent; NaN: there is no whole.
func share(part, whole int64) float64 {
	if whole == 0 {
		return math.NaN()
	}
	return 100 * float64(part) / float64(whole)
}

// failing is the part of the runs that ended on their own that failed.
func failing(n *api.StatsNumbers) float64 { return share(n.Failed, n.Succeeded+n.Failed) }

// millis is a time in seconds, of something that was counted so often.
func millis(ms float64, counted int64) float64 {
	if counted == 0 {
		return math.NaN()
	}
	return ms / 1000
}

// seen is one of the gauges.
func (p *point) seen(of func(*gauges) float64) float64 {
	if p.gauges == nil {
		return math.NaN()
	}
	return of(p.gauges)
}
