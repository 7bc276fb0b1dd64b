package stats

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"paragon/schema/api"
)

// Sources are what a View shows beside what was counted.
type Sources struct {
	Queues  func(ctx context.Context) ([]api.Queue, error)
	Workers func(ctx context.Context) ([]api.Worker, error)
	// Glance is how many runs are queued in all, since when the oldest is (zero
	// for none), and the workers: less than the two tell, and cheaper where
	// nothing happens.
	Glance func(ctx context.Context) (runs int64, oldest time.Time, workers []api.Worker, err error)
}

// View shows statistics as the API does. It is safe for concurrent use; what
// it says of queues and workers is up to half a second old, so that many who look
// cost as little as one.
type View struct {
	reader  *Reader
	sources Sources
	now     func() time.Time

	mu      sync.Mutex
	looked  time.Time
	queue   api.QueueStats
	workers api.WorkerStats
}

// NewView makes a view.
func NewView(reader *Reader, sources Sources, now func() time.Time) *View {
	if now == nil {
		now = time.Now
	}
	return &View{reader: reader, sources: sources, now: now}
}

const (
	// defaultWindow is what is shown of a query that does not say.
	defaultWindow = 5 * time.Minute
	// trendParts is in how many parts a trend cuts the window.
	trendParts = 30
	// Lag is how long after a second, or a half, has ended it is shown: its counts are
	// written when it ends. What is later than that is in a later event of a
	// stream.
	Lag = 100 * time.Millisecond
)

// ended is when the last step that is shown ended.
func (v *View) ended(step time.Duration) time.Time { return v.now().UTC().Add(-Lag).Truncate(step) }

// Window shows what was counted in the window that a query asks for, up to the
// last second that has ended.
func (v *View) Window(ctx context.Context, project string, q api.StatsQuery) (*api.Stats, error) {
	if q.Window <= 0 {
		q.Window = defaultWindow
	}
	if q.Step == 0 {
		q.Step = Second
		if q.Window > keepBySecond {
			q.Step = Minute
		}
	}
	to := v.ended(Second)
	from := to.Add(-q.Window).Truncate(q.Step)
	points, err := v.reader.Points(ctx, project, q.Step, from, to)
	if err != nil {
		return nil, err
	}
	looks, err := v.reader.Points(ctx, installation, q.Step, from, to)
	if err != nil {
		return nil, err
	}
	out := show(points, q, from, to, true)
	out.Points = withGauges(out.Points, looks)
	out.Queue, out.Workers, err = v.look(ctx)
	return out, err
}

// Follower tells what was counted since it was asked before.
type Follower struct {
	v       *View
	project string
	q       api.StatsQuery
	// after is the last entry that was told of, to when its telling ended.
	after string
	to    time.Time
}

// Follow begins with the second, or the half of one that q.Every asks for, that
// ended last.
func (v *View) Follow(project string, q api.StatsQuery) *Follower {
	q.Step = Second
	if q.Every == 0 {
		q.Every = Second
	}
	begin := v.ended(q.Every).Add(-q.Every)
	return &Follower{v: v, project: project, q: q, after: idAt(begin.Add(settle)), to: begin}
}

// Next tells what was counted in the seconds that ended since, or in the half
// of one, and what came late of those before: each entry is told of once, so that what a follower
// tells adds up to what was counted.
func (f *Follower) Next(ctx context.Context) (*api.Stats, error) {
	to := f.v.ended(f.q.Every)
	if to.Before(f.to) {
		to = f.to // the clock was set back
	}
	points, last, err := f.v.reader.entries(ctx, secondsKey(f.project), Second, settle, f.after, "+")
	if err != nil {
		return nil, err
	}
	out := show(points, f.q, f.to, to, false)
	if out.Queue, out.Workers, err = f.v.look(ctx); err != nil {
		return nil, err
	}
	f.after, f.to = last, to
	return out, nil
}

// show makes an answer of points.
func show(points []Point, q api.StatsQuery, from, to time.Time, trends bool) *api.Stats {
	out := &api.Stats{
		From: from, To: to, StepSeconds: int(q.Step / Second),
		Points: []api.StatsPoint{}, Workflows: []api.SeriesStats{}, Integrations: []api.SeriesStats{},
	}
	sum := Set{}
	trend := map[Name][]int64{}
	for _, p := range points {
		for name, c := range p.Set {
			if name.Kind == Workflow && q.Workflow != "" && name.Name != q.Workflow {
				delete(p.Set, name)
				continue
			}
			if trends {
				if trend[name] == nil {
					trend[name] = make([]int64, trendParts)
				}
				part := int(p.At.Sub(from) * trendParts / to.Sub(from))
				trend[name][min(max(part, 0), trendParts-1)] += c.Ended()
			}
		}
		out.Points = append(out.Points, api.StatsPoint{At: p.At, StatsNumbers: numbersOf(p.Set.Total(Workflow))})
		sum.Merge(p.Set)
	}
	out.Total = numbersOf(sum.Total(Workflow))
	for name, c := range sum {
		series := api.SeriesStats{Name: name.Name, StatsNumbers: numbersOf(c), Trend: trend[name]}
		if name.Kind == Workflow {
			out.Workflows = append(out.Workflows, series)
		} else {
			out.Integrations = append(out.Integrations, series)
		}
	}
	byName := func(a, b api.SeriesStats) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(out.Workflows, byName)
	slices.SortFunc(out.Integrations, byName)
	return out
}

// withGauges adds what was seen to what was counted; both are by time.
func withGauges(points []api.StatsPoint, looks []Point) []api.StatsPoint {
	out := make([]api.StatsPoint, 0, max(len(points), len(looks)))
	for _, look := range looks {
		for len(points) > 0 && points[0].At.Before(look.At) {
			out, points = append(out, points[0]), points[1:]
		}
		p := api.StatsPoint{At: look.At}
		if len(points) > 0 && points[0].At.Equal(look.At) {
			p, points = points[0], points[1:]
		}
		p.Gauges = gaugesOf(look.Set)
		out = append(out, p)
	}
	return append(out, points...)
}

func numbersOf(c *Counts) api.StatsNumbers {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return api.StatsNumbers{
		Started: c.Started, Succeeded: c.Succeeded, Failed: c.Failed, Canceled: c.Canceled,
		Attempts: c.Attempts, Retried: c.Retried,
		DurationP50Ms: ms(c.Duration.Quantile(0.5)), DurationP99Ms: ms(c.Duration.Quantile(0.99)),
		WaitP50Ms: ms(c.Wait.Quantile(0.5)), WaitP99Ms: ms(c.Wait.Quantile(0.99)),
	}
}

// look reads queues and workers, at most twice a second.
func (v *View) look(ctx context.Context) (api.QueueStats, api.WorkerStats, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := v.now(); now.Sub(v.looked).Abs() < Half-Lag {
		return v.queue, v.workers, nil
	}
	queues, err := v.sources.Queues(ctx)
	if err != nil {
		return v.queue, v.workers, fmt.Errorf("look at the queues: %w", err)
	}
	workers, err := v.sources.Workers(ctx)
	if err != nil {
		return v.queue, v.workers, fmt.Errorf("look at the workers: %w", err)
	}
	v.looked, v.queue, v.workers = v.now(), api.QueueStats{}, sumOf(workers)
	for _, q := range queues {
		v.queue.Runs += q.Runs
		if q.Paused {
			v.queue.Paused++
		}
		if !q.Oldest.IsZero() && (v.queue.Oldest.IsZero() || q.Oldest.Before(v.queue.Oldest)) {
			v.queue.Oldest = q.Oldest
		}
	}
	return v.queue, v.workers, nil
}

// glance reads what is noted of queues and workers: what a look has just seen,
// or as little as it takes.
func (v *View) glance(ctx context.Context) (q api.QueueStats, w api.WorkerStats, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := v.now(); now.Sub(v.looked).Abs() < Second-Lag {
		return v.queue, v.workers, nil
	}
	runs, oldest, workers, err := v.sources.Glance(ctx)
	return api.QueueStats{Runs: runs, Oldest: oldest}, sumOf(workers), err
}

func sumOf(workers []api.Worker) (sum api.WorkerStats) {
	for _, w := range workers {
		sum.Running += w.Running
		if w.Alive {
			sum.Alive++
		} else {
			sum.Silent++
		}
	}
	return sum
}
