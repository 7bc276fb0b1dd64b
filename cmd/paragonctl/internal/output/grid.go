package output

import (
	"io"
	"strings"

	"paragon/cmd/paragonctl/internal/terminal"
)

// Grid is a table: a header and rows of cells.
type Grid struct {
	Columns []Column
	Rows    [][]string
}

// Column is one column of a Grid.
type Column struct {
	// Title is its header ("NAME").
	Title string
	// Wide hides the column unless -o wide asks for it.
	Wide bool
	// Cut shortens the column's cells so that a row fits a terminal.
	Cut bool
	// Paint colours a cell; nil leaves it plain. It gets text without control
	// characters, and may change its width.
	Paint func(style terminal.Style, cell string) string
}

const gap = "  "

// write prints the columns aligned. With a width above 0, columns that may be
// cut are.
func (g *Grid) write(w io.Writer, style terminal.Style, wide bool, width int) error {
	var shown []int
	for i, c := range g.Columns {
		if !c.Wide || wide {
			shown = append(shown, i)
		}
	}
	cells := make([][]string, 0, len(g.Rows))
	for _, row := range g.Rows {
		line := make([]string, len(shown))
		for k, i := range shown {
			text := terminal.Safe(row[i])
			if paint := g.Columns[i].Paint; paint != nil {
				text = paint(style, text)
			}
			line[k] = text
		}
		cells = append(cells, line)
	}
	widths := make([]int, len(shown))
	total := 0
	for k, i := range shown {
		widths[k] = terminal.Width(g.Columns[i].Title)
		for _, line := range cells {
			widths[k] = max(widths[k], terminal.Width(line[k]))
		}
		total += widths[k]
	}
	total += len(gap) * (len(shown) - 1)
	if width > 0 && !wide {
		for k, i := range shown {
			if over := total - width; over > 0 && g.Columns[i].Cut {
				cut := min(over, max(widths[k]-8, 0))
				widths[k] -= cut
				total -= cut
			}
		}
	}
	var b strings.Builder
	put := func(line []string) {
		var row strings.Builder
		for k, text := range line {
			if terminal.Width(text) > widths[k] {
				text = terminal.Cut(text, widths[k])
			}
			row.WriteString(terminal.Pad(text, widths[k]) + gap)
		}
		b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
	titles := make([]string, len(shown))
	for k, i := range shown {
		titles[k] = style.Bold(g.Columns[i].Title)
	}
	put(titles)
	for _, line := range cells {
		put(line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
