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
	// least and most bound the top of the axis; 0: nothing does.
	least, most float64
	// ceiling rounds the top up; nil is plot.Ceiling.
	ceiling func(float64) float64
	// note stands behind the current values.
	note string
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
	ceiling := m.ceiling
	if ceiling == nil {
		ceiling = plot.Ceiling
	}
	if top := ceiling(most); m.most == 0 || top < m.most {
		return top
	}
	return m.most
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
	if m.note != "" {
		parts = append(parts, th.Paint(theme.Dim, th.Point+" "+m.note))
	}
	return strings.Join(parts, " ")
}

// line is the metric in one line: title, current value, sparkline.
func (m metric) line(a *App, width int) string {
	const title, value = 10, 28
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

// filler draws what goes where plots leave room, in at most so many cells.
type filler func(a *App, width, height int) []string

// columnsFor is how many plots stand side by side.
func columnsFor(width, plots int) int {
	switch {
	case width >= 190 && plots > 8:
		return 5
	case width >= 160:
		return 4
	case width >= 120:
		return 3
	case width >= 80:
		return 2
	}
	return 1
}

// drawMetrics lays metrics out as plots in as many columns as the width has
// room for, or as lines where the height has none for plots. What is left
// below, or in the last row, is filled.
func (a *App) drawMetrics(metrics []metric, width, height int, fill filler) []string {
	columns := columnsFor(width, len(metrics))
	rows := (len(metrics) + columns - 1) / columns
	var out []string
	if rows == 0 || height/rows < 5 {
		for _, m := range metrics {
			out = append(out, m.line(a, width))
		}
		return a.below(out, width, height, fill)
	}
	high, wide := min(height/rows, max(14, height/4)), (width-2)/columns-2
	left := height - rows*high
	for at := 0; at < len(metrics); at += columns {
		var panels [][]string
		for _, m := range metrics[at:min(at+columns, len(metrics))] {
			panels = append(panels, m.panel(a, wide, high-1))
		}
		if free := columns - len(panels); free > 0 && left < 6 {
			panels = append(panels, fill(a, free*(wide+2)-2, high-1))
		}
		for y := range high - 1 {
			line := " "
			for _, p := range panels {
				text := ""
				if y < len(p) {
					text = p[y]
				}
				line += cell.Pad(text, wide+2)
			}
			out = append(out, line)
		}
		out = append(out, "")
	}
	if left >= 6 {
		out = a.below(out[:len(out)-1], width, height, fill)
	}
	return out
}

// below fills the lines that are left.
func (a *App) below(out []string, width, height int, fill filler) []string {
	if rest := height - len(out) - 1; rest >= 3 {
		out = append(out, "")
		for _, line := range fill(a, width-2, rest) {
			out = append(out, " "+line)
		}
	}
	return out
}
