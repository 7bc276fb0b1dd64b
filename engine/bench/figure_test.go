package bench_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

var (
	full = flag.Bool("bench.full", false, "measure at full size")
	out  = flag.String("bench.json", "", "write the figures to this file")
)

// size is the number for a quick check, or the full one.
func size(quick, whole int) int {
	if *full {
		return whole
	}
	return quick
}

// figure is one measured figure, with the floor of the same run that it is
// compared with.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Ratio is Value to Floor's, in the direction that Bar is in.
	Floor string  `json:"floor,omitempty"`
	Ratio float64 `json:"ratio,omitempty"`
	Bar   string  `json:"bar,omitempty"`
	Note  string  `json:"note,omitempty"`
}

var figures struct {
	sync.Mutex
	list []figure
}

func report(f figure) {
	figures.Lock()
	defer figures.Unlock()
	figures.list = append(figures.list, f)
}

// print writes the table, and the file if one is wanted.
func printFigures() {
	figures.Lock()
	defer figures.Unlock()
	if len(figures.list) == 0 {
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FIGURE\tVALUE\tUNIT\tAGAINST\tRATIO\tBAR\tNOTE")
	for _, f := range figures.list {
		ratio := ""
		if f.Ratio != 0 {
			ratio = fmt.Sprintf("%.2f", f.Ratio)
		}
		fmt.Fprintf(w, "%s\t%.4g\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.Value, f.Unit, f.Floor, ratio, f.Bar, f.Note)
	}
	_ = w.Flush()
	if *out == "" {
		return
	}
	raw, err := json.MarshalIndent(figures.list, "", "  ")
	if err == nil {
		err = os.WriteFile(*out, append(raw, '\n'), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "write the figures:", err)
	}
}

// quantile of durations that are sorted in place, in milliseconds.
func quantile(d []time.Duration, q float64) float64 {
	slices.Sort(d)
	return float64(d[min(int(q*float64(len(d))), len(d)-1)].Microseconds()) / 1000
}
