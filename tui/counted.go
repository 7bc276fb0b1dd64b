package tui

import (
	"cmp"
	"math"
	"time"

	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/plot"
	"paragon/tui/theme"
)

// workflowRow is a workflow and what was counted of it.
type workflowRow struct {
	api.StoredResource
	api.StatsNumbers
	// trend is how many runs ended, by parts of the time; nil: none did.
	trend []float64
	// rate is runs a second that ended, of about the newest second, to sort by.
	rate float64
}

func (w workflowRow) name() string { return w.Metadata.Name }

// count gives the row what was counted.
func (w *workflowRow) count(a *App, s *api.SeriesStats) {
	w.StatsNumbers = s.StatsNumbers
	for _, n := range s.Trend {
		w.trend = append(w.trend, float64(n))
	}
	w.rate = a.live.rate(s.Name)
}

// workflowRows are the workflows of which something was counted.
func workflowRows(a *App, s *api.Stats) []workflowRow {
	rows := make([]workflowRow, len(s.Workflows))
	for i := range s.Workflows {
		rows[i].Metadata.Name = s.Workflows[i].Name
		rows[i].count(a, &s.Workflows[i])
	}
	return rows
}

// countedColumns show what was counted of workflows.
func countedColumns() []column[workflowRow] {
	const spark = 15
	seconds := func(ms func(w workflowRow) float64) func(*App, workflowRow) string {
		return func(_ *App, w workflowRow) string { return secondsText(millis(ms(w), w.Ended())) }
	}
	return []column[workflowRow]{
		{title: "workflow", width: 14, grow: true, text: func(_ *App, w workflowRow) string { return cell.Safe(w.name()) },
			compare: func(x, y workflowRow) int { return cmp.Compare(x.name(), y.name()) }},
		{title: "runs/s", width: 7, drop: 3, right: true, text: func(a *App, w workflowRow) string { return plot.Number(a.live.rate(w.name())) },
			compare: func(x, y workflowRow) int { return cmp.Compare(x.rate, y.rate) }},
		{title: "runs", width: 9, right: true, text: func(_ *App, w workflowRow) string { return count(w.Ended()) },
			compare: func(x, y workflowRow) int { return cmp.Compare(x.Ended(), y.Ended()) }},
		{title: "trend", width: spark, drop: 2, text: func(a *App, w workflowRow) string {
			return a.theme.Paint(theme.First, plot.Sparkline(w.trend, spark, a.theme.Levels, 0))
		}},
		{title: "fail %", width: 7, right: true, text: func(a *App, w workflowRow) string {
			f := failing(&w.StatsNumbers)
			role := theme.Text
			if f > 0 {
				role = theme.Bad
			}
			return a.theme.Paint(role, plot.Number(f))
		}, compare: func(x, y workflowRow) int { return cmp.Compare(failing(&x.StatsNumbers), failing(&y.StatsNumbers)) }},
		{title: "retries", width: 8, drop: 4, right: true, text: func(_ *App, w workflowRow) string { return count(w.Retried) },
			compare: func(x, y workflowRow) int { return cmp.Compare(x.Retried, y.Retried) }},
		{title: "p50", width: 7, drop: 5, right: true, text: seconds(func(w workflowRow) float64 { return w.DurationP50Ms }),
			compare: func(x, y workflowRow) int { return cmp.Compare(x.DurationP50Ms, y.DurationP50Ms) }},
		{title: "p99", width: 7, drop: 1, right: true, text: seconds(func(w workflowRow) float64 { return w.DurationP99Ms }),
			compare: func(x, y workflowRow) int { return cmp.Compare(x.DurationP99Ms, y.DurationP99Ms) }},
	}
}

// secondsText is a time in seconds, with three digits that matter.
func secondsText(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	d := time.Duration(v * float64(time.Second))
	if d >= time.Millisecond {
		d = d.Round(time.Millisecond / 10)
	}
	return length(d)
}

// percent is a part in percent.
func percent(v float64) string { return plot.Number(v) + "%" }

// recent is over how many seconds the current value of a rate or a part is
// taken.
const recent = 5

// metricsOf are the plots of the overview.
func metricsOf(points []point, window string) []metric {
	line := func(name string, role theme.Role, of func(*point) float64) series {
		s := series{name: name, role: role, now: math.NaN(), values: make([]float64, len(points))}
		for i := range points {
			if s.values[i] = of(&points[i]); !math.IsNaN(s.values[i]) {
				s.now = s.values[i]
			}
		}
		return s
	}
	rate := func(name string, role theme.Role, of func(*point) int64) series {
		s := line(name, role, func(p *point) float64 { return p.rate(of(p)) })
		n, over := int64(0), 0.0
		for i := len(points) - 1; i >= 0 && over < recent; i-- {
			if !points[i].unknown {
				n, over = n+of(&points[i]), over+points[i].seconds
			}
		}
		if over > 0 {
			s.now = float64(n) / over
		}
		return s
	}
	timed := func(name string, role theme.Role, of func(*point) float64) series {
		s := line(name, role, of)
		s.text = secondsText
		return s
	}
	fails := line("", theme.Second, func(p *point) float64 { return failing(&p.StatsNumbers) })
	if f := failing(lately(points)); !math.IsNaN(f) {
		fails.now = f
	}
	all := []metric{
		{title: "Throughput", unit: "runs/s", series: []series{
			rate("ok", theme.First, func(p *point) int64 { return p.Succeeded }),
			rate("fail", theme.Second, func(p *point) int64 { return p.Failed })}},
		{title: "Failing", unit: "% of runs", least: 10, most: 100, series: []series{fails}},
		{title: "Latency", unit: "a run", series: []series{
			timed("p50", theme.First, func(p *point) float64 { return millis(p.DurationP50Ms, p.Ended()) }),
			timed("p99", theme.Second, func(p *point) float64 { return millis(p.DurationP99Ms, p.Ended()) })}},
		{title: "Wait", unit: "to start", series: []series{
			timed("p50", theme.First, func(p *point) float64 { return millis(p.WaitP50Ms, p.Started) }),
			timed("p99", theme.Second, func(p *point) float64 { return millis(p.WaitP99Ms, p.Started) })}},
		{title: "Queue", unit: "runs", series: []series{
			line("", theme.First, func(p *point) float64 { return p.seen(func(g *gauges) float64 { return g.queued }) })}},
		{title: "Oldest", unit: "queued", series: []series{
			timed("", theme.Second, func(p *point) float64 { return p.seen(func(g *gauges) float64 { return g.oldest }) })}},
		{title: "Running", unit: "runs", series: []series{
			line("", theme.First, func(p *point) float64 { return p.seen(func(g *gauges) float64 { return g.running }) }),
		}},
		{title: "Retries", unit: "/s", series: []series{rate("", theme.Second, func(p *point) int64 { return p.Retried })}},
	}
	if n := len(points); n > 0 && points[n-1].gauges != nil {
		all[6].note = plural(int(points[n-1].gauges.workers), "worker")
	}
	if r := share(retriedOf(points)); r > 0 {
		all[7].note = percent(r) + " of attempts"
	}
	for i := range all {
		all[i].window = window
		if all[i].least == 0 {
			all[i].least = 1
		}
		if all[i].series[0].text != nil {
			all[i].least, all[i].ceiling = 0.001, timeCeiling
		}
	}
	return all
}

// lately is what was counted in the last seconds, over which current values are
// taken.
func lately(points []point) *api.StatsNumbers {
	var sum point
	over := 0.0
	for i := len(points) - 1; i >= 0 && over < recent; i-- {
		sum.merge(points[i].StatsNumbers)
		over += points[i].seconds
	}
	return &sum.StatsNumbers
}

// retriedOf is how many attempts at steps were retries, of how many.
func retriedOf(points []point) (retried, attempts int64) {
	for i := range points {
		retried, attempts = retried+points[i].Retried, attempts+points[i].Attempts
	}
	return retried, attempts
}

// timeCeiling is a round time at or above so many seconds.
func timeCeiling(v float64) float64 {
	for _, round := range []float64{60, 120, 300, 600, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 24 * 3600} {
		if v > 50 && v <= round {
			return round
		}
	}
	return plot.Ceiling(v)
}

// callsOf is the plot of the calls to integrations.
func callsOf(s *api.Stats, live *live, window string) metric {
	var sum []float64
	for _, integration := range s.Integrations {
		sum = append(sum, make([]float64, max(len(integration.Trend)-len(sum), 0))...)
		for i, n := range integration.Trend {
			sum[i] += float64(n)
		}
	}
	part := s.To.Sub(s.From).Seconds() / float64(max(len(sum), 1))
	for i := range sum {
		sum[i] /= part
	}
	line := series{role: theme.First, values: sum, now: math.NaN()}
	events, seconds := live.newest()
	if len(events) == 0 {
		events, seconds = []*api.Stats{s}, s.To.Sub(s.From).Seconds()
	}
	var calls, failed int64
	for _, event := range events {
		for _, integration := range event.Integrations {
			calls += integration.Ended()
			failed += integration.Failed
		}
	}
	if seconds > 0 {
		line.now = float64(calls) / seconds
	}
	m := metric{title: "API calls", unit: "calls/s", window: window, least: 1, series: []series{line}}
	if failed > 0 {
		m.note = percent(share(failed, calls)) + " failed"
	}
	return m
}
