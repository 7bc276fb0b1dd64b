package plot

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.42: "0.42", 0.999: "1", 7.25: "7.2", 7: "7", 9.96: "10", 812: "812", 999.7: "1k", 1234: "1.2k", 34e6: "34M", -5: "-5",
		math.Inf(1): "-", 999_600: "1M",
	} {
		if got := Number(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
	if Number(math.NaN()) != "-" {
		t.Error("what was not measured has a number")
	}
}

func TestCeiling(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, 1: 1, 1.5: 2, 20: 20, 21: 50, 99: 100, 100: 100, 501: 1000, -3: 1, 0.013: 0.02, 0.5: 0.5} {
		if got := Ceiling(v); math.Abs(got-want) > 1e-9*want {
			t.Errorf("above %v is %v, want %v", v, got, want)
		}
	}
}

// A peak of one value among thousands is still seen.
func TestNoPeakIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0, 1000), 1, 500).Draw(t, "values")
		n := rapid.IntRange(1, 200).Draw(t, "cells")
		most := 0.0
		for _, v := range values {
			most = max(most, v)
		}
		got := math.Inf(-1)
		for _, v := range Resample(values, n) {
			if !math.IsNaN(v) {
				got = max(got, v)
			}
		}
		if got != most {
			t.Errorf("the peak of %v became %v", most, got)
		}
	})
}

func TestSparkline(t *testing.T) {
	levels := strings.Split("_12345678", "")
	for want, values := range map[string][]float64{
		"__148": {0, 1, 4, 8},
		"__1_8": {0, 0, 0.01, 0, 8},
		"8 8 8": {8, math.NaN(), 8, math.NaN(), 8},
		"     ": nil,
		"____8": {0, 0, 0, 0, 0, 0, 0, 0, 0, 8},
		"_____": {0, 0, 0, 0, 0},
	} {
		if got := Sparkline(values, 5, levels, 8); got != want {
			t.Errorf("%v: %q, want %q", values, got, want)
		}
	}
}

func text(rows [][]Cell) string {
	var b strings.Builder
	for _, row := range rows {
		for _, c := range row {
			b.WriteRune(c.Sign)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestLines(t *testing.T) {
	rising := []float64{0, 1, 2, 3}
	if got, want := text(Lines([][]float64{rising}, 4, 4, 3, true)), "   *\n  * \n *  \n*   \n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := text(Lines([][]float64{{0, 0, 7, 7}}, 2, 2, 7, false)), " ⡏\n⣀⡇\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	// The later series wins the cell, and a hole stays one.
	rows := Lines([][]float64{{1, 1, 1}, {1, math.NaN(), 0}}, 3, 2, 1, true)
	if got, want := text(rows), "o**\n  o\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if rows[0][0].Series != 1 || rows[0][1].Series != 0 {
		t.Errorf("%+v", rows)
	}
}

func FuzzLines(f *testing.F) {
	f.Add(3, 2, 1.0, 2.0, 5.0)
	f.Fuzz(func(t *testing.T, w, h int, a, b, top float64) {
		w, h = w%100, h%50
		rows := Lines([][]float64{{a, b, a}, {b}}, w, h, top, false)
		if len(rows) != max(h, 0) {
			t.Fatalf("%d rows", len(rows))
		}
	})
}
