package tui

import (
	"math"
	"strings"

	"paragon/tui/cell"
	"paragon/tui/plot"
	"paragon/tui/theme"
)

// metric is something measured over time, as a plot or as one line.
type metric struct {
	title, unit, window string
	series              []series
	// least is what the axis shows at least at its top.
	least float64
}

// series is one line of a metric, the newest value last; NaN is none.
type series struct {
	// name tells it from the others; empty when it is the only one.
	name   string
	role   theme.Role
	values []float64
	// now is its current value; NaN: there is none.
	now float64
	// text writes a value; nil is plot.Number.
	text func(float64) string
}

func (s series) write(v float64) string {
	if s.text != nil && !math.IsNaN(v) {
		return s.text(v)
	}
	return plot.Number(v)
}

// top is a round number above all values.
func (m metric) top() float64 {
	most := m.least
	for _, s := range m.series {
		for _, v := range s.values {
			if v > most {
				most = v
			}
		}
	}
	return plot.Ceiling(most)
}

// current is the current value of each series, with its unit.
func (m metric) current(th *theme.Theme) string {
	var parts []string
	for _, s := range m.series {
		text := th.Paint(s.role, s.write(s.now))
		if s.name != "" {
			text = th.Paint(s.role, s.name+" "+s.write(s.now))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// line is the metric in one line: title, current value, sparkline.
func (m metric) line(a *App, width int) string {
	const title, value = 14, 22
	text := a.fit(m.title, title, false) + " " + a.fit(m.current(a.theme)+" "+m.unit, value, false) + " "
	if len(m.series) > 0 {
		s := m.series[len(m.series)-1]
		text += a.theme.Paint(s.role, plot.Sparkline(s.values, max(width-title-value-4, 0), a.theme.Levels, m.top()))
	}
	return " " + text
}

// axis is the width of the numbers at a plot's left.
const axis = 6

// panel is the metric as a plot of so many cells, its title and current value
// above.
func (m metric) panel(a *App, width, height int) []string {
	th := a.theme
	head := th.Paint(theme.Bold, m.title) + th.Paint(theme.Dim, " "+m.unit+" "+th.Point+" "+m.window)
	now := m.current(th)
	if room := width - cell.Width(now) - 1; cell.Width(head) > room {
		head = a.cut(th.Paint(theme.Bold, m.title)+th.Paint(theme.Dim, " "+m.unit), room)
	}
	lines := []string{head + strings.Repeat(" ", max(width-cell.Width(head)-cell.Width(now), 1)) + now}
	rows := height - 1
	values := make([][]float64, len(m.series))
	for i, s := range m.series {
		values[i] = s.values
	}
	top := m.top()
	cells := plot.Lines(values, width-axis-1, rows, top, th.ASCII)
	for y, row := range cells {
		label := ""
		switch {
		case y == 0:
			label = m.label(top)
		case y == rows-1:
			label = "0"
		case rows >= 7 && 2*y == rows-1:
			label = m.label(top / 2)
		}
		line := th.Paint(theme.Dim, a.fit(label, axis, true)+th.Bar)
		for x := 0; x < len(row); {
			n := x
			var run strings.Builder
			for n < len(row) && row[n].Series == row[x].Series {
				run.WriteRune(row[n].Sign)
				n++
			}
			if s := row[x].Series; s >= 0 {
				line += th.Paint(m.series[s].role, run.String())
			} else {
				line += run.String()
			}
			x = n
		}
		lines = append(lines, line)
	}
	return lines
}

// label is a number of the axis.
func (m metric) label(v float64) string {
	if len(m.series) > 0 {
		return m.series[0].write(v)
	}
	return plot.Number(v)
}

// drawMetrics lays metrics out as plots in as many columns as the width has
// room for, or as lines where the height has none for plots.
func (a *App) drawMetrics(metrics []metric, width, height int) []string {
	columns := 1
	switch {
	case width >= 180:
		columns = 4
	case width >= 120:
		columns = 3
	case width >= 80:
		columns = 2
	}
	rows := (len(metrics) + columns - 1) / columns
	var out []string
	if rows == 0 || height/rows < 5 {
		for _, m := range metrics {
			out = append(out, m.line(a, width))
		}
		return out
	}
	high, wide := min(height/rows, 14), (width-2)/columns-2
	for at := 0; at < len(metrics); at += columns {
		var panels [][]string
		for _, m := range metrics[at:min(at+columns, len(metrics))] {
			panels = append(panels, m.panel(a, wide, high-1))
		}
		for y := range high - 1 {
			line := " "
			for _, p := range panels {
				line += cell.Pad(p[y], wide+2)
			}
			out = append(out, line)
		}
		out = append(out, "")
	}
	return out
}
