package plot

import (
	"math"
	"strings"
)

// Sparkline is a series in one row of cells, the newest on the right. levels
// are the signs for heights, lowest first; top is the value of the highest (0:
// the series' own largest). Where nothing was measured it is blank.
func Sparkline(values []float64, cells int, levels []string, top float64) string {
	if cells <= 0 || len(levels) == 0 {
		return ""
	}
	points := Resample(values, cells)
	if top <= 0 {
		for _, v := range points {
			if v > top {
				top = v
			}
		}
	}
	var b strings.Builder
	for _, v := range points {
		switch {
		case math.IsNaN(v):
			b.WriteByte(' ')
		case v <= 0 || top <= 0:
			b.WriteString(levels[0])
		default:
			// Anything above nothing is seen: it takes the second level.
			i := int(v/top*float64(len(levels)-1) + 0.5)
			b.WriteString(levels[min(max(i, 1), len(levels)-1)])
		}
	}
	return b.String()
}
