package tui

import (
	"context"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema/api"
	"paragon/tui/theme"
)

// overview is how the project does: plots of what its workers count.
type overview struct {
	// span is which of the spans is shown; the first is live.
	span int
	// long are the points of a span that is not live.
	long struct {
		question
		asked  time.Time
		stats  *api.Stats
		points []point
	}
	busiest list[workflowRow]
}

// spans are the times that the overview can show, and how often those that are
// not live are read again.
var spans = []struct {
	name  string
	over  time.Duration
	every time.Duration
}{
	{"5m", liveOver, 0},
	{"1h", time.Hour, readAgain},
	{"24h", 24 * time.Hour, 30 * time.Second},
	{"7d", 7 * 24 * time.Hour, time.Minute},
}

func newOverview() *overview {
	v := &overview{}
	v.busiest = list[workflowRow]{id: workflowRow.name, sortBy: -1, columns: countedColumns()}
	return v
}

func (v *overview) name() string { return "overview" }

// shown is what there is to show, and its points.
func (v *overview) shown(a *App) (*api.Stats, []point) {
	if v.span == 0 {
		return a.live.window, a.live.points
	}
	return v.long.stats, v.long.points
}

func (v *overview) place(a *App) string {
	s, _ := v.shown(a)
	if s == nil {
		return ""
	}
	text := plural(int(s.Total.Ended()), "run") + " ended in " + spans[v.span].name
	if f := failing(&s.Total); f > 0 {
		text += " " + a.theme.Point + " " + percent(f) + " failed"
	}
	return text
}

func (v *overview) refresh(a *App) tea.Cmd {
	live := a.live.refresh(a)
	span := spans[v.span]
	now := a.now()
	if v.span == 0 || v.long.pending || now.Sub(v.long.asked) < span.every {
		return live
	}
	v.long.asked = now
	return tea.Batch(live, ask(a, &v.long.question, func(ctx context.Context) (*api.Stats, error) {
		return a.client.Stats(ctx, api.StatsQuery{Window: span.over, Step: time.Minute})
	}, func(_ *App, s *api.Stats) tea.Cmd {
		v.long.stats, v.long.points = s, pointsOf(s)
		return nil
	}))
}

func (v *overview) key(a *App, key string) (tea.Cmd, bool) {
	switch key {
	case "enter":
		return a.push(newRuns(runFilter{})), true
	case "e":
		return a.push(newFailures(runFilter{Since: spans[v.span].name})), true
	case "w", "W":
		step := 1
		if key == "W" {
			step = len(spans) - 1
		}
		v.span = (v.span + step) % len(spans)
		v.long.drop()
		v.long.asked, v.long.stats, v.long.points = time.Time{}, nil, nil
		return v.refresh(a), true
	}
	return nil, false
}

func (v *overview) draw(a *App, width, height int) []string {
	q := &a.live.read
	if v.span > 0 {
		q = &v.long.question
	}
	s, points := v.shown(a)
	switch {
	case missing(q.err):
		return []string{a.theme.Paint(theme.Dim, " This server shows no statistics.")}
	case q.err != nil && !unavailable(q.err):
		return errorLines(a, q.err, width)
	case s == nil:
		return []string{a.theme.Paint(theme.Dim, " asking for the numbers"+a.theme.Ellipsis)}
	}
	metrics := metricsOf(points, spans[v.span].name)
	if len(s.Integrations) > 0 {
		metrics = append(metrics, callsOf(s, &a.live, spans[v.span].name))
	}
	rows := workflowRows(a, s)
	slices.SortStableFunc(rows, func(x, y workflowRow) int { return int(y.Ended() - x.Ended()) })
	v.busiest.items, v.busiest.cursor, v.busiest.empty = rows, -1, "No run has ended in "+spans[v.span].name+"."
	v.busiest.order = nil
	return a.drawMetrics(metrics, width, height, v.drawBusiest)
}

// drawBusiest fills what the plots leave with the workflows that had the most
// runs.
func (v *overview) drawBusiest(a *App, width, height int) []string {
	if height < 3 || width < 30 {
		return nil
	}
	head := a.theme.Paint(theme.Bold, "Busiest workflows") + a.theme.Paint(theme.Dim, " "+a.theme.Point+" "+spans[v.span].name)
	return append([]string{head}, v.busiest.draw(a, width, height-1)...)
}

func (v *overview) keys(*App) []binding {
	return []binding{
		{key: "enter", does: "runs", line: true},
		{key: "e", does: "its failures", line: true},
		{key: "w", does: "longer: " + spans[(v.span+1)%len(spans)].name, line: true},
		{key: "W", does: "shorter: " + spans[(v.span+len(spans)-1)%len(spans)].name},
	}
}
