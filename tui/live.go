package tui

import (
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
// for lost.
const (
	liveOver  = 5 * time.Minute
	readAgain = 5 * time.Second
	silentFor = 5 * time.Second
)

var errSilent = errors.New("the stream of numbers has fallen silent")

// live is what the server counts, as it tells it when a second has ended. It
// goes on whatever view is open.
type live struct {
	// points are the last seconds, the newest last; it ended at to.
	points []point
	to     time.Time
	// window is liveOver as read last, last the newest event of the stream.
	window, last *api.Stats
	read         question
	asked        time.Time
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
		ended <- a.client.StreamStats(ctx, api.StatsQuery{}, func(s *api.Stats) error {
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
	l.last = s
	if l.to.IsZero() {
		l.gap = true // the window comes first
		return
	}
	l.gap = l.gap || s.From.After(l.to)
	to := s.To
	if n := len(s.Points); n > 0 && s.Points[n-1].At.Add(time.Second).After(to) {
		to = s.Points[n-1].At.Add(time.Second) // Redis' clock is ahead of the server's
	}
	for l.to.Before(to) {
		l.points = append(l.points, point{at: l.to, seconds: 1, unknown: l.to.Before(s.From)})
		l.to = l.to.Add(time.Second)
	}
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
	if l.to.Before(s.To) {
		l.to = s.To
	}
	if over := len(l.points) - int(liveOver/time.Second); over > 0 {
		l.points = slices.Delete(l.points, 0, over)
	}
}

// now is what was counted of a workflow in the newest second.
func (l *live) now(workflow string) api.StatsNumbers {
	if l.last != nil {
		for i := range l.last.Workflows {
			if l.last.Workflows[i].Name == workflow {
				return l.last.Workflows[i].StatsNumbers
			}
		}
	}
	return api.StatsNumbers{}
}
