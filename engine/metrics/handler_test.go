package metrics

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"paragon/engine/destination"
	"paragon/engine/logs"
	"paragon/engine/payload"
	"paragon/engine/stats"
	"paragon/schema"
	"paragon/schema/api"
)

func scrape(t *testing.T, opts Options) string {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(opts).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestFigures(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	hook := destination.Name{Project: "default", Name: "hook"}
	counter := stats.NewRecorder(nil, nil, nil)
	counter.RunStarted("default", "hello", 0)
	counter.Proxied("default", "crm", stats.Failed, time.Second)
	text := scrape(t, Options{
		Version: api.Version{Version: "1.2.3", Commit: "abc", Go: "go1"},
		Now:     func() time.Time { return now },
		Queues: func(context.Context) ([]api.Queue, error) {
			return []api.Queue{
				{Lane: 0, Priority: schema.PriorityHigh, Runs: 7, Oldest: now.Add(-90 * time.Second)},
				{Lane: 1, Priority: schema.PriorityLow, Paused: true},
			}, nil
		},
		Workers: func(context.Context) ([]api.Worker, error) {
			return []api.Worker{{ID: "a", Alive: true, Running: 3}, {ID: "b", Running: 2}, {ID: "c", Alive: true}}, nil
		},
		Totals: counter.Totals,
		Log:    func(context.Context) ([]logs.Size, error) { return []logs.Size{{}, {Entries: 5, Bytes: 1000}}, nil },
		Destinations: func(context.Context) ([]destination.Standing, error) {
			return []destination.Standing{{Name: hook, Waiting: 8, Delay: 1500 * time.Millisecond, Disabled: true}}, nil
		},
		Attempts: func() map[destination.Name]destination.Attempts {
			return map[destination.Name]destination.Attempts{hook: {Delivered: 2, Failed: 3}}
		},
		Storage: func() payload.Usage {
			return payload.Usage{Requests: []payload.Requests{
				{Operation: "get", Outcome: payload.OutcomeDone, Count: 3, Took: 2 * time.Second, Within: []int64{1, 2, 2, 2, 3, 3, 3}},
				{Operation: "get", Outcome: payload.OutcomeFailed, Count: 1, Took: 30 * time.Second, Within: make([]int64, len(payload.Bounds))},
			}, Written: 300, Read: 200, Sweeps: 5, SweepsFailed: 1, Removed: 9}
		},
	})
	for _, line := range []string{
		`paragon_build_info{commit="abc",go="go1",version="1.2.3"} 1`,
		`paragon_queue_runs{lane="0",priority="high"} 7`,
		`paragon_queue_oldest_seconds{lane="0",priority="high"} 90`,
		`paragon_queue_oldest_seconds{lane="1",priority="low"} 0`,
		`paragon_queue_paused{lane="1",priority="low"} 1`,
		`paragon_workers{state="alive"} 2`,
		`paragon_workers{state="silent"} 1`,
		`paragon_runs_running 5`,
		`paragon_log_entries{lane="1"} 5`,
		`paragon_log_bytes{lane="1"} 1000`,
		`paragon_source_up{source="queues"} 1`,
		`paragon_calls_total{integration="crm",project="default",status="failed"} 1`,
		`paragon_source_up{source="destinations"} 1`,
		`paragon_destination_waiting{destination="hook",project="default"} 8`,
		`paragon_destination_delay_seconds{destination="hook",project="default"} 1.5`,
		`paragon_destination_disabled{destination="hook",project="default"} 1`,
		`paragon_destination_attempts_total{destination="hook",outcome="delivered",project="default"} 2`,
		`paragon_destination_attempts_total{destination="hook",outcome="failed",project="default"} 3`,
		`paragon_storage_requests_total{operation="get",outcome="done"} 3`,
		`paragon_storage_requests_total{operation="get",outcome="failed"} 1`,
		`paragon_storage_request_seconds_bucket{operation="get",le="0.016"} 2`,
		`paragon_storage_request_seconds_bucket{operation="get",le="+Inf"} 4`,
		`paragon_storage_request_seconds_sum{operation="get"} 32`,
		`paragon_storage_bytes_total{direction="written"} 300`,
		`paragon_storage_bytes_total{direction="read"} 200`,
		`paragon_storage_sweeps_total{outcome="done"} 4`,
		`paragon_storage_sweeps_total{outcome="failed"} 1`,
		`paragon_storage_removed_total 9`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
	for _, m := range List() {
		if !strings.Contains(text, "# HELP "+m.Name+" ") {
			t.Errorf("%s is listed and not served", m.Name)
		}
	}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "paragon_") {
			t.Errorf("a name that does not begin with paragon_: %s", line)
		}
	}
}

// TestASourceIsAway has one source fail: the others are served.
func TestASourceIsAway(t *testing.T) {
	text := scrape(t, Options{
		Queues:  func(context.Context) ([]api.Queue, error) { return nil, errors.New("away") },
		Workers: func(context.Context) ([]api.Worker, error) { return nil, nil },
	})
	for line, want := range map[string]bool{
		`paragon_source_up{source="queues"} 0`:  true,
		`paragon_source_up{source="workers"} 1`: true,
		`paragon_workers{state="alive"} 0`:      true,
		`paragon_queue_runs{`:                   false,
		`paragon_source_up{source="log"}`:       false,
	} {
		if strings.Contains(text, line) != want {
			t.Errorf("%q: want it there: %t, in\n%s", line, want, text)
		}
	}
}

// TestReadOnceASecond asks often: the sources are asked once a second.
func TestReadOnceASecond(t *testing.T) {
	now, asked := time.Unix(1000, 0), 0
	h := Handler(Options{
		Now:     func() time.Time { return now },
		Workers: func(context.Context) ([]api.Worker, error) { asked++; return nil, nil },
	})
	ask := func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)) }
	ask()
	now = now.Add(fresh - 1)
	ask()
	if asked != 1 {
		t.Errorf("asked %d times within a second, want 1", asked)
	}
	now = now.Add(1)
	ask()
	if asked != 2 {
		t.Errorf("asked %d times in two seconds, want 2", asked)
	}
}
