package dash_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"paragon/tui/screentest"
)

// longList is how many runs a list holds.
const longList = 100_000

// program builds paragonctl and returns how to open its dashboard on a terminal.
func program(tb testing.TB, server string) func(columns, lines int) *screentest.Screen {
	tb.Helper()
	paragonctl := filepath.Join(tb.TempDir(), "paragonctl")
	if out, err := exec.Command("go", "build", "-o", paragonctl, "paragon/cmd/paragonctl").CombinedOutput(); err != nil {
		tb.Fatalf("build: %v\n%s", err, out)
	}
	config := filepath.Join(tb.TempDir(), "config.json")
	return func(columns, lines int) *screentest.Screen {
		cmd := exec.Command(paragonctl, "dash")
		cmd.Env = []string{"PARAGON_SERVER=" + server, "PARAGON_TOKEN=pgn_x", "PARAGON_CONFIG=" + config, "TERM=xterm-256color", "HOME=" + tb.TempDir()}
		s, err := screentest.Start(cmd, columns, lines)
		must(tb, err)
		return s
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// spread reports the median and the worst of what was measured.
func spread(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(ms(took[len(took)-1]), "worst-ms")
}

// BenchmarkOpen is from the start of the program to the first picture.
func BenchmarkOpen(b *testing.B) {
	open := program(b, newFlood(b, 0).URL)
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		s := open(120, 32)
		must(b, s.AwaitText(b.Context(), "? help"))
		took = append(took, time.Since(began))
		must(b, s.Close())
	}
	spread(b, took)
}

// BenchmarkChange is from a change on the server until the screen shows it.
func BenchmarkChange(b *testing.B) {
	f := newFlood(b, 0)
	s := program(b, f.URL)(120, 32)
	defer s.Close()
	must(b, s.AwaitText(b.Context(), "? help"))
	must(b, s.Type(":runs\r"))
	must(b, s.AwaitText(b.Context(), floodID(f.newest())))
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		f.extra.Add(1)
		must(b, s.AwaitText(b.Context(), floodID(f.newest())))
		took = append(took, time.Since(began))
	}
	spread(b, took)
}

// BenchmarkKeystroke is from a key typed until the terminal shows what it did,
// while 5,000 runs a second go by and 100,000 are listed.
func BenchmarkKeystroke(b *testing.B) {
	s := scrolledDown(b, b.Context(), newFlood(b, 5000), longList)
	defer s.Close()
	last, _ := place(s.Text())
	var took []time.Duration
	up := true
	for b.Loop() {
		row, _ := place(s.Text())
		up = row == last || up && row > last-20
		took = append(took, step(b, b.Context(), s, up))
	}
	spread(b, took)
}

// step types a key that moves the selection by a row and waits until it has
// moved.
func step(tb testing.TB, ctx context.Context, s *screentest.Screen, up bool) time.Duration {
	tb.Helper()
	row, _ := place(s.Text())
	key, want := "j", row+1
	if up {
		key, want = "k", row-1
	}
	began := time.Now()
	must(tb, s.Type(key))
	must(tb, s.Await(ctx, fmt.Sprint("row ", want), func(screen string) bool {
		row, _ := place(screen)
		return row == want
	}))
	return time.Since(began)
}

// scrolledDown is a list of at least so many runs with the last selected.
func scrolledDown(tb testing.TB, ctx context.Context, f *flood, rows int) *screentest.Screen {
	tb.Helper()
	s := program(tb, f.URL)(120, 32)
	must(tb, s.AwaitText(ctx, "? help"))
	listAll(tb, ctx, s, "lead-sync", rows)
	return s
}

// listAll opens the list of runs, which are of the workflow, and scrolls down
// until it has that many and the last is selected.
func listAll(tb testing.TB, ctx context.Context, s *screentest.Screen, workflow string, rows int) {
	tb.Helper()
	must(tb, s.Type(":runs\r"))
	must(tb, s.AwaitText(ctx, workflow))
	for have := 0; have < rows; {
		must(tb, s.Type("G"))
		must(tb, s.Await(ctx, "more runs", func(screen string) bool {
			_, listed := place(screen)
			more := listed > have
			have = max(have, listed)
			return more
		}))
	}
	must(tb, s.Type("G"))
	must(tb, s.Await(ctx, "the end of the list", func(screen string) bool {
		row, _ := place(screen)
		return row >= rows
	}))
}

var placed = regexp.MustCompile(`([\d,]+) of ([\d,]+)`)

// place is which row of how many the title says is selected.
func place(screen string) (row, of int) {
	m := placed.FindStringSubmatch(screen)
	if m == nil {
		return 0, 0
	}
	row, _ = strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
	of, _ = strconv.Atoi(strings.ReplaceAll(m[2], ",", ""))
	return row, of
}

// A key is answered while runs rush by: here against a bound that a busy
// machine keeps, too; the benchmarks have the figures.
func TestKeysAreAnsweredInAFlood(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	s := scrolledDown(t, ctx, newFlood(t, 5000), 5000)
	defer s.Close()
	var took []time.Duration
	for range 30 {
		took = append(took, step(t, ctx, s, true))
	}
	slices.Sort(took)
	t.Logf("a key took %v, at worst %v", took[len(took)/2], took[len(took)-1])
	if took[len(took)/2] > time.Second {
		t.Errorf("half of the keys took longer than %v", took[len(took)/2])
	}
}
