package tui

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema/api"
)

// The live numbers reach back liveOver in seconds. What only the server can
// add up, quantiles over all of it and the trend of each workflow, is read
// again every readAgain; a stream that tells nothing for silentFor is taken
// for lost. It tells every tellEvery: a second that is told of when it has ended
// would come to the screen too late for what happened when it began.
const (
	liveOver  = 5 * time.Minute
	tellEvery = 500 * time.Millisecond
	readAgain = 5 * time.Second
	silentFor = 5 * time.Second
)

var errSilent = errors.New("the stream of numbers has fallen silent")

// live is what the server counts, as it tells it twice a second. It goes on whatever view is open.
type live struct {
	// points are the last seconds, the newest last; what is known of it ended
	// at to.
	points []point
	to     time.Time
	// window is liveOver as read last, last the newest event of the stream,
	// before the one before it.
	window, last, before *api.Stats
	read                 question
	asked                time.Time
	// gap says that something was missed since the window was read.
	gap bool

	// stream counts those that were opened; open, whether the last still is;
	// stop ends it.
	stream uint64
	open   bool
	stop   context.CancelFunc
	conn   connection
}

// secondMsg brings an event of a stream, or its end.
type secondMsg struct {
	stream uint64
	stats  *api.Stats
	err    error
	// next waits for the event after this one; nil at the end.
	next tea.Cmd
}

// keepUp opens the stream when there is none.
func (l *live) keepUp(a *App) tea.Cmd {
	now := a.now()
	if l.open && now.Sub(l.conn.tried) > silentFor && now.Sub(l.conn.last) > silentFor {
		l.end(errSilent)
	}
	if l.open || !l.conn.due(now) || missing(l.conn.err) {
		return nil
	}
	l.conn.tried = now
	l.stream++
	l.open = true
	return a.listen(l.stream)
}

// end is what follows the end of the stream; nil: the server ended it, as it
// does when it is about to stop.
func (l *live) end(err error) {
	l.open = false
	if l.stop != nil {
		l.stop()
	}
	if err != nil {
		l.conn.lost(err)
	}
}

// stream opens the stream of numbers. A goroutine of the dashboard's work reads
// it; its events come into Update one at a time.
func (a *App) openStream(n uint64) tea.Cmd {
	ctx, stop := context.WithCancel(a.work.ctx)
	a.live.stop = stop
	events := make(chan *api.Stats)
	ended := make(chan error, 1)
	read := a.work.cmd(func(context.Context) tea.Msg {
		defer stop()
		ended <- a.client.StreamStats(ctx, api.StatsQuery{Every: tellEvery}, func(s *api.Stats) error {
			select {
			case events <- s:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		return nil
	})
	var next tea.Cmd
	next = a.work.cmd(func(context.Context) tea.Msg {
		select {
		case s := <-events:
			return secondMsg{stream: n, stats: s, next: next}
		case err := <-ended:
			return secondMsg{stream: n, err: err}
		case <-a.work.ctx.Done():
			return nil
		}
	})
	return tea.Batch(read, next)
}

// hear takes what a stream brought.
func (l *live) hear(a *App, m secondMsg) tea.Cmd {
	switch {
	case m.stream != l.stream || !l.open:
		return nil // one that was given up
	case m.stats == nil:
		l.end(m.err)
		return nil
	}
	l.conn.heard(a.now())
	if a.frozen.IsZero() {
		l.add(m.stats)
	} else {
		l.gap = true
	}
	return m.next
}

// add takes in a second that has ended, and what came late of those before.
func (l *live) add(s *api.Stats) {
	l.last, l.before = s, l.last
	if l.to.IsZero() {
		l.gap = true // the window comes first
		return
	}
	l.gap = l.gap || s.From.After(l.to)
	to := s.To
	if n := len(s.Points); n > 0 && !s.Points[n-1].At.Before(to) {
		to = s.Points[n-1].At.Add(time.Second) // Redis' clock is ahead of the server's
	}
	l.reach(to, s.From)
	if over := len(l.points) - int(liveOver/time.Second); over > 0 {
		l.points = slices.Delete(l.points, 0, over)
	}
	if len(l.points) == 0 {
		return
	}
	begin := l.points[0].at
	for _, p := range s.Points {
		// What was in the window already is not counted again.
		i := int(p.At.Sub(begin) / time.Second)
		if p.At.Before(l.window.To) || i < 0 || i >= len(l.points) {
			continue
		}
		l.points[i].merge(p.StatsNumbers)
	}
	l.points[len(l.points)-1].gauges = gaugesOf(s)
	l.sumUp(s)
}

// sumUp adds an event to the sums of the window, unless the window has it. Until
// the window is read again, it is longer by those events.
func (l *live) sumUp(s *api.Stats) {
	if s == nil || s.From.Before(l.window.To) {
		return
	}
	add(&l.window.Total, s.Total)
	l.window.Workflows = together(l.window.Workflows, s.Workflows)
	l.window.Integrations = together(l.window.Integrations, s.Integrations)
}

// together adds up series, which are by name.
func together(sums, more []api.SeriesStats) []api.SeriesStats {
	for _, s := range more {
		i, found := slices.BinarySearchFunc(sums, s, byName)
		if found {
			add(&sums[i].StatsNumbers, s.StatsNumbers)
		} else {
			sums = slices.Insert(sums, i, s)
		}
	}
	return sums
}

func byName(x, y api.SeriesStats) int { return cmp.Compare(x.Name, y.Name) }

// reach goes on to a time, in the middle of a second maybe; of the seconds that
// ended by known and are not here nothing is known.
func (l *live) reach(to, known time.Time) {
	if !l.to.Before(to) {
		return
	}
	next := l.to.Truncate(time.Second)
	if n := len(l.points); n > 0 {
		next = l.points[n-1].at.Add(time.Second)
		l.points[n-1].seconds = min(to.Sub(l.points[n-1].at).Seconds(), 1)
	}
	for ; next.Before(to); next = next.Add(time.Second) {
		l.points = append(l.points, point{at: next, seconds: min(to.Sub(next).Seconds(), 1), unknown: !next.Add(time.Second).After(known)})
	}
	l.to = to
}

// refresh reads the window when that is due.
func (l *live) refresh(a *App) tea.Cmd {
	now := a.now()
	if l.read.pending || l.read.known && !l.gap && now.Sub(l.asked) < readAgain {
		return nil
	}
	l.asked, l.gap = now, false
	return ask(a, &l.read, func(ctx context.Context) (*api.Stats, error) {
		return a.client.Stats(ctx, api.StatsQuery{Window: liveOver, Step: time.Second})
	}, func(a *App, s *api.Stats) tea.Cmd {
		l.take(s)
		return nil
	})
}

// take takes the window as it was read; seconds that ended since are kept, and
// so is what was seen and is not counted.
func (l *live) take(s *api.Stats) {
	points := pointsOf(s)
	for _, p := range l.points {
		i := int(p.at.Sub(s.From) / time.Second)
		switch {
		case !p.at.Before(s.To):
			points = append(points, p)
		case i >= 0 && i < len(points) && points[i].gauges == nil:
			points[i].gauges = p.gauges
		}
	}
	if n := len(points); n > 0 && points[n-1].gauges == nil {
		points[n-1].gauges = gaugesOf(s)
	}
	l.points, l.window = points, s
	l.sumUp(l.before)
	l.sumUp(l.last)
	if l.to.Before(s.To) {
		l.to = s.To
	}
	if over := len(l.points) - int(liveOver/time.Second); over > 0 {
		l.points = slices.Delete(l.points, 0, over)
	}
}

// newest are the last two events: what was told of about a second.
func (l *live) newest() (events []*api.Stats, seconds float64) {
	for _, s := range []*api.Stats{l.before, l.last} {
		if s != nil {
			events = append(events, s)
			seconds += s.To.Sub(s.From).Seconds()
		}
	}
	return events, seconds
}

// rate is how many runs of a workflow ended a second, lately.
func (l *live) rate(workflow string) float64 {
	events, seconds := l.newest()
	if seconds == 0 {
		return 0
	}
	ended := int64(0)
	for _, s := range events {
		if i, found := slices.BinarySearchFunc(s.Workflows, api.SeriesStats{Name: workflow}, byName); found {
			ended += s.Workflows[i].Ended()
		}
	}
	return float64(ended) / seconds
}
