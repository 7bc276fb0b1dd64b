package metrics

import (
	"fmt"
	"strings"
	"testing"
	"time"

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
	for i := range named + 50 {
		for range i + 1 {
			r.RunStarted("p", fmt.Sprintf("w%d", i), 0)
		}
	}
	var s slots
	got := s.fold(r.Totals())
	if len(got) != named+1 || got[workflow{other, other}].Started != 50*51/2 {
		t.Fatalf("%d workflows, others started %+v", len(got), got[workflow{other, other}])
	}
	for range 1000 {
		r.RunStarted("p", "w0", 0)
	}
	got = s.fold(r.Totals())
	if got[workflow{"p", "w0"}] != nil || got[workflow{"p", "w50"}] == nil || got[workflow{other, other}].Started != 1000+50*51/2 {
		t.Errorf("a workflow took the label of another: %+v", got[workflow{other, other}])
	}
}
