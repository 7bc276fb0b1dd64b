package plot

import (
	"math"
	"strconv"
)

// Ceiling is a round number at or above the value, for the top of an axis: 1,
// 2 or 5 times a power of ten. Of nothing it is 1.
func Ceiling(v float64) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5, 10} {
		if v <= m*p*(1+1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// Number is a number of at most five cells with the digits that matter: "0",
// "0.42", "7.3", "812", "1.2k", "34M". NaN, which is no measurement, is "-".
func Number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v), math.IsInf(v, 0):
		return "-"
	case a == 0:
		return "0"
	case a < 0.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a < 9.95:
		return trim(strconv.FormatFloat(v, 'f', 1, 64))
	case a < 999.5:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	for _, unit := range []string{"k", "M", "G", "T"} {
		v /= 1000
		if a := math.Abs(v); a < 9.95 {
			return trim(strconv.FormatFloat(v, 'f', 1, 64)) + unit
		} else if a < 999.5 {
			return strconv.FormatFloat(v, 'f', 0, 64) + unit
		}
	}
	return strconv.FormatFloat(v, 'e', 0, 64)
}

func trim(s string) string {
	if len(s) > 2 && s[len(s)-2:] == ".0" {
		return s[:len(s)-2]
	}
	return s
}

// Resample makes n values of a series, each the largest of those that fall on
// it, so that no peak is lost. A series shorter than n is stretched; of no
// series all are NaN.
func Resample(values []float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	if n <= 0 || len(values) == 0 {
		return out
	}
	if len(values) <= n {
		for i := range out {
			out[i] = values[i*len(values)/n]
		}
		return out
	}
	for i, v := range values {
		at := i * n / len(values)
		if math.IsNaN(out[at]) || v > out[at] {
			out[at] = v
		}
	}
	return out
}
