package tui

import (
	"context"
	"math"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/tui/theme"
)

// overview is how the project does: plots of what it counts of the runs that
// were accepted of late.
type overview struct {
	log    runLog
	points []point
	// past are the points as counted while all their runs were known, by the
	// beginnings of their steps.
	past          map[time.Time]point
	newest, older question
}

// mostTallied is how many runs the overview counts, the newest; mostPages how
// many pages of new ones it reads at once.
const mostTallied, mostPages = 50_000, 10

func (v *overview) name() string { return "overview" }

func (v *overview) place(a *App) string {
	if !v.newest.known {
		return ""
	}
	return "of " + plural(len(v.log.runs), "run") + " accepted in the last " + short(a.now().Sub(v.known(a.now())))
}

// known is since when all runs are known.
func (v *overview) known(now time.Time) time.Time {
	since := now.Add(-tallyOver)
	if n := len(v.log.runs); v.log.next != "" && n > 0 {
		// What is older was not read: it was too much, or came too fast.
		if oldest := v.log.runs[n-1].CreatedAt; oldest.After(since) {
			return oldest
		}
	}
	return since
}

func (v *overview) refresh(a *App) tea.Cmd {
	if v.newest.pending {
		return nil
	}
	q := api.RunsQuery{Since: a.now().Add(-tallyOver), Limit: bigPage}
	known := ""
	if len(v.log.runs) > 0 {
		known = v.log.runs[0].ID
	}
	return ask(a, &v.newest, func(ctx context.Context) (*api.List[schema.Run], error) { return readDown(ctx, a.client, q, known) },
		func(a *App, page *api.List[schema.Run]) tea.Cmd {
			v.log.head(light(page.Items), page.NextCursor, false)
			v.count(a)
			return v.askOlder(a)
		})
}

// readDown reads the newest runs page by page until one that is known already,
// so that none is left out between; one page when nothing is known.
func readDown(ctx context.Context, c Client, q api.RunsQuery, known string) (*api.List[schema.Run], error) {
	all := &api.List[schema.Run]{}
	for range mostPages {
		page, err := c.Runs(ctx, q)
		if err != nil {
			return nil, err
		}
		all.Items, all.NextCursor = append(all.Items, page.Items...), page.NextCursor
		if n := len(page.Items); page.NextCursor == "" || n == 0 || known == "" || page.Items[n-1].ID <= known {
			break
		}
		q.Cursor = page.NextCursor
	}
	return all, nil
}

// askOlder reads what was accepted before, a page at a time.
func (v *overview) askOlder(a *App) tea.Cmd {
	if v.older.pending || v.log.next == "" || len(v.log.runs) >= mostTallied || v.known(a.now()).Equal(a.now().Add(-tallyOver)) {
		return nil
	}
	q := api.RunsQuery{Since: a.now().Add(-tallyOver), Cursor: v.log.next, Limit: bigPage}
	return ask(a, &v.older, func(ctx context.Context) (*api.List[schema.Run], error) { return a.client.Runs(ctx, q) },
		func(a *App, page *api.List[schema.Run]) tea.Cmd {
			v.log.tail(light(page.Items), page.NextCursor)
			v.count(a)
			return nil
		})
}

// count counts anew, without the runs that have become too old or too many.
func (v *overview) count(a *App) {
	now := a.now()
	n := len(v.log.runs)
	for n > 0 && v.log.runs[n-1].CreatedAt.Before(now.Add(-tallyOver)) {
		n--
	}
	if n > mostTallied {
		n = mostTallied
		v.log.next = v.log.runs[n-1].ID
	}
	v.log.runs = v.log.runs[:n]
	v.points = tally(v.log.runs, now, v.known(now))
	v.remember(now)
}

// remember keeps what was counted of each step, and uses it once the step's
// runs are too many to be known any longer.
func (v *overview) remember(now time.Time) {
	begin := now.Truncate(tallyStep).Add(-tallyOver)
	past := make(map[time.Time]point, len(v.points))
	for i := range v.points {
		at := begin.Add(time.Duration(i) * tallyStep)
		if before, ok := v.past[at]; ok && math.IsNaN(v.points[i].accepted) {
			v.points[i] = before
		}
		if !math.IsNaN(v.points[i].accepted) {
			past[at] = v.points[i]
		}
	}
	v.past = past
}

func (v *overview) key(a *App, key string) (tea.Cmd, bool) {
	switch key {
	case "enter":
		return a.push(newRuns(runFilter{})), true
	case "e":
		return a.push(newFailures(runFilter{Since: "5m"})), true
	}
	return nil, false
}

func (v *overview) draw(a *App, width, height int) []string {
	switch {
	case v.newest.err != nil && !unavailable(v.newest.err):
		return errorLines(a, v.newest.err, width)
	case !v.newest.known:
		return []string{a.theme.Paint(theme.Dim, " counting"+a.theme.Ellipsis)}
	}
	return a.drawMetrics(metricsOf(v.points), width, height)
}

// metricsOf are the plots of the overview.
func metricsOf(points []point) []metric {
	one := func(name string, role theme.Role, text func(float64) string, of func(point) float64) series {
		values := make([]float64, len(points))
		now := math.NaN()
		for i, p := range points {
			if values[i] = of(p); !math.IsNaN(values[i]) {
				now = values[i]
			}
		}
		return series{name: name, role: role, values: values, now: now, text: text}
	}
	seconds := func(v float64) string { return length(time.Duration(v * float64(time.Second)).Round(time.Millisecond)) }
	all := []metric{
		{title: "Throughput", unit: "runs/s", series: []series{
			one("ok", theme.First, nil, func(p point) float64 { return p.succeeded }),
			one("fail", theme.Second, nil, func(p point) float64 { return p.failed })}},
		{title: "Failing", unit: "% of runs", least: 10, series: []series{one("", theme.Second, nil, point.failing)}},
		{title: "Latency", unit: "a run", series: []series{
			one("p50", theme.First, seconds, func(p point) float64 { return p.p50 }),
			one("p99", theme.Second, seconds, func(p point) float64 { return p.p99 })}},
		{title: "Accepted", unit: "runs/s", series: []series{one("", theme.First, nil, func(p point) float64 { return p.accepted })}},
		{title: "Queue", unit: "runs", series: []series{one("", theme.First, nil, func(p point) float64 { return p.queued })}},
		{title: "Oldest", unit: "in the queue", series: []series{one("", theme.Second, seconds, func(p point) float64 { return p.oldest })}},
		{title: "Not ended", unit: "runs", series: []series{one("", theme.First, nil, func(p point) float64 { return p.open })}},
	}
	for i := range all {
		all[i].window = "5m"
	}
	return all
}

func (v *overview) keys(*App) []binding {
	return []binding{
		{key: "enter", does: "runs", line: true},
		{key: "e", does: "its failures", line: true},
	}
}
