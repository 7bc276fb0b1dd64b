package metrics

import (
	"context"
	"fmt"
	"maps"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"paragon/engine/destination"
	"paragon/engine/stats"
)

func counted(r *stats.Recorder) Options { return Options{Totals: r.Totals} }

func TestRunsByWorkflow(t *testing.T) {
	r := stats.NewRecorder(nil, nil, nil)
	for i := range 5 {
		r.RunStarted("shop", "sync", time.Millisecond)
		r.Attempted("shop", "sync", i > 2)
	}
	r.RunEnded("shop", "sync", stats.Succeeded, time.Second)
	r.RunEnded("shop", "sync", stats.Failed, time.Second)
	r.RunEnded("shop", "sync", stats.Failed, time.Second)
	r.RunEnded("shop", "sync", stats.Canceled, time.Second)
	r.RunEnded("shop", "quick", stats.Succeeded, 1500*time.Microsecond)
	r.RunEnded("shop", "quick", stats.Succeeded, 100*time.Hour)
	text := scrape(t, counted(r))
	for _, line := range []string{
		`paragon_runs_started_total{project="shop",workflow="sync"} 5`,
		`paragon_runs_ended_total{project="shop",status="succeeded",workflow="sync"} 1`,
		`paragon_runs_ended_total{project="shop",status="failed",workflow="sync"} 2`,
		`paragon_runs_ended_total{project="shop",status="canceled",workflow="sync"} 1`,
		`paragon_step_attempts_total{project="shop",workflow="sync"} 5`,
		`paragon_step_retries_total{project="shop",workflow="sync"} 2`,
		`paragon_run_duration_seconds_bucket{project="shop",workflow="sync",le="0.524288"} 0`,
		`paragon_run_duration_seconds_bucket{project="shop",workflow="sync",le="1.048576"} 4`,
		`paragon_run_duration_seconds_sum{project="shop",workflow="sync"} 4`,
		`paragon_run_duration_seconds_count{project="shop",workflow="sync"} 4`,
		`paragon_run_wait_seconds_bucket{project="shop",workflow="sync",le="0.002048"} 5`,
		`paragon_run_wait_seconds_sum{project="shop",workflow="sync"} 0.005`,
		`paragon_run_duration_seconds_bucket{project="shop",workflow="quick",le="0.002048"} 1`,
		`paragon_run_duration_seconds_bucket{project="shop",workflow="quick",le="4294.967296"} 1`,
		`paragon_run_duration_seconds_bucket{project="shop",workflow="quick",le="+Inf"} 2`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

// TestManyWorkflows has more workflows than have labels: the busiest have, the
// others are one, none is lost, and who has a label keeps it.
func TestManyWorkflows(t *testing.T) {
	r := stats.NewRecorder(nil, nil, nil)
	for i := range most + 50 {
		for range i + 1 {
			r.RunStarted("p", fmt.Sprintf("w%d", i), 0)
		}
	}
	var c collector
	others := named{other, other}
	got := c.workflows(r.Totals())
	if len(got) != most+1 || got[others].Started != 50*51/2 {
		t.Fatalf("%d workflows, others started %+v", len(got), got[others])
	}
	for range 1000 {
		r.RunStarted("p", "w0", 0)
	}
	got = c.workflows(r.Totals())
	if got[named{"p", "w0"}] != nil || got[named{"p", "w50"}] == nil || got[others].Started != 1000+50*51/2 {
		t.Errorf("a workflow took the label of another: %+v", got[others])
	}
}

// TestLabelsAreBounded feeds every metric with far more names than it may have
// labels for: each has a bounded number of series, and nothing is lost.
func TestLabelsAreBounded(t *testing.T) {
	const many = 10 * most
	r := stats.NewRecorder(nil, nil, nil)
	attempts, standings := map[destination.Name]destination.Attempts{}, []destination.Standing{}
	for i := range many {
		project, name := fmt.Sprintf("p%d", i%7), fmt.Sprintf("n%d", i)
		r.RunStarted(project, name, time.Second)
		r.RunEnded(project, name, stats.Succeeded, time.Second)
		r.Proxied(project, name, stats.Failed, time.Second)
		at := destination.Name{Project: project, Name: name}
		attempts[at] = destination.Attempts{Delivered: 1, Failed: 2}
		standings = append(standings, destination.Standing{Name: at, Waiting: 3, Delay: time.Duration(i) * time.Second, Disabled: i%2 == 0})
	}
	h := Handler(Options{
		Totals: r.Totals, Attempts: func() map[destination.Name]destination.Attempts { return maps.Clone(attempts) },
		Destinations: func(context.Context) ([]destination.Standing, error) { return standings, nil },
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	series, sums := map[string]int{}, map[string]float64{}
	for line := range strings.Lines(w.Body.String()) {
		if name, rest, ok := strings.Cut(line, "{"); ok && !strings.HasPrefix(line, "#") {
			series[name]++
			value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndex(rest, "}")+1:]), 64)
			if err != nil {
				t.Fatal(line, err)
			}
			sums[name] += value
		}
	}
	buckets := len(bounds) + 1
	for name, want := range map[string]struct {
		series int
		sum    float64
	}{
		"paragon_runs_started_total":          {most + 1, many},
		"paragon_runs_ended_total":            {3 * (most + 1), many},
		"paragon_run_duration_seconds_bucket": {buckets * (most + 1), -1},
		"paragon_run_wait_seconds_count":      {most + 1, many},
		"paragon_calls_total":                 {3 * (most + 1), many},
		"paragon_destination_attempts_total":  {2 * (most + 1), 3 * many},
		"paragon_destination_waiting":         {most + 1, 3 * many},
		"paragon_destination_delay_seconds":   {most + 1, -1},
		"paragon_destination_disabled":        {most + 1, many / 2},
	} {
		if series[name] != want.series || want.sum >= 0 && sums[name] != want.sum {
			t.Errorf("%s has %d series that add up to %v; want %d and %v", name, series[name], sums[name], want.series, want.sum)
		}
	}
}
