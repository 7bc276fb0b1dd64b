package plot

import "math"

// Cell is one place of a plot: its sign, and which series it belongs to (-1
// for none).
type Cell struct {
	Sign   rune
	Series int
}

// dots are the bits of the eight dots of a braille cell, by row and column.
var dots = [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

// Lines draws several series over one another into rows of cells, the top row
// first and the newest value on the right. The values run from 0 to top. With
// ascii the signs are '*' for the first series and 'o' for others; otherwise
// braille, two by four points a cell. A later series wins a cell that two
// share.
func Lines(series [][]float64, width, height int, top float64, ascii bool) [][]Cell {
	rows := make([][]Cell, max(height, 0))
	for y := range rows {
		rows[y] = make([]Cell, max(width, 0))
		for x := range rows[y] {
			rows[y][x] = Cell{Sign: ' ', Series: -1}
		}
	}
	if width <= 0 || height <= 0 || top <= 0 {
		return rows
	}
	across, down := 2, 4
	if ascii {
		across, down = 1, 1
	}
	for s, values := range series {
		points := Resample(values, width*across)
		last := -1
		for x, v := range points {
			if math.IsNaN(v) {
				last = -1
				continue
			}
			y := level(v, top, height*down)
			from, to := y, y
			// A jump is drawn as a wall, so that the line holds together.
			if last >= 0 && !ascii {
				from, to = min(y, last), max(y, last)
			}
			for ; from <= to; from++ {
				set(rows, x, height*down-1-from, s, ascii)
			}
			last = y
		}
	}
	return rows
}

// level is the height of a value in points, from 0 to n-1.
func level(v, top float64, n int) int {
	return max(0, min(int(math.Round(v/top*float64(n-1))), n-1))
}

func set(rows [][]Cell, x, y, series int, ascii bool) {
	if ascii {
		sign := '*'
		if series > 0 {
			sign = 'o'
		}
		rows[y][x] = Cell{Sign: sign, Series: series}
		return
	}
	c := &rows[y/4][x/2]
	bit := dots[y%4][x%2]
	if c.Sign == ' ' {
		c.Sign = 0x2800
	}
	c.Sign |= bit
	c.Series = series
}
