package dash_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// flood is a server that only answers: as one does on which so many runs a
// second are accepted, after a million before.
type flood struct {
	*httptest.Server
	began time.Time
	rate  float64
	// extra are runs that were accepted besides.
	extra atomic.Int64
}

func newFlood(tb testing.TB, rate float64) *flood {
	f := &flood{began: time.Now(), rate: rate}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/whoami", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, api.Identity{Name: "bench", Role: "operator"})
	})
	mux.HandleFunc("GET /v1/projects/default/runs", f.runs)
	mux.HandleFunc("GET /v1/projects/default/stats", func(w http.ResponseWriter, _ *http.Request) { answer(w, f.counted(5*time.Minute)) })
	mux.HandleFunc("GET /v1/projects/default/stats/stream", f.stream)
	f.Server = httptest.NewServer(mux)
	tb.Cleanup(f.Close)
	return f
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // fails only when the client has gone
}

func (f *flood) newest() int {
	return 1_000_000 + int(f.rate*time.Since(f.began).Seconds()) + int(f.extra.Load())
}

// floodID is the id of the nth run.
func floodID(n int) string { return fmt.Sprintf("r%024d01", n) }

func (f *flood) runs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	n, size := f.newest(), 50
	if c := q.Get("cursor"); c != "" {
		n, _ = strconv.Atoi(c)
		n--
	}
	if l := q.Get("limit"); l != "" {
		size, _ = strconv.Atoi(l)
	}
	page := api.List[schema.Run]{NextCursor: strconv.Itoa(n - size + 1)}
	now := time.Now()
	for i := range size {
		at := now.Add(-time.Duration(float64(f.newest()-n+i) / max(f.rate, 1) * float64(time.Second)))
		run := schema.Run{ID: floodID(n - i), Project: "default", Workflow: "lead-sync", Revision: 3, Status: schema.RunSucceeded,
			Trigger: schema.Trigger{Kind: "event", Time: at}, CreatedAt: at, StartedAt: &at, EndedAt: &at, Attempts: 1,
			Input: json.RawMessage(`{"email":"somebody@example.com","score":12,"tags":["a","b","c"]}`)}
		if (n-i)%3 == 0 {
			run.Status, run.Error = schema.RunFailed, &schema.RunError{Type: "http", Status: 503, Step: "push",
				Message: "POST http://10.0.0.1/leads: 503 Service Unavailable"}
		}
		page.Items = append(page.Items, run)
	}
	answer(w, page)
}

// counted is what such a server has counted up to now.
func (f *flood) counted(over time.Duration) api.Stats {
	to := time.Now().UTC().Truncate(time.Second)
	each := api.StatsNumbers{Started: int64(f.rate), Succeeded: int64(f.rate), Attempts: 3 * int64(f.rate), DurationP50Ms: 12, DurationP99Ms: 80}
	s := api.Stats{From: to.Add(-over), To: to, StepSeconds: 1, Workers: api.WorkerStats{Alive: 2, Running: 100}}
	for at := s.From; at.Before(to); at = at.Add(time.Second) {
		s.Points = append(s.Points, api.StatsPoint{At: at, StatsNumbers: each})
	}
	for n := range 100 {
		s.Workflows = append(s.Workflows, api.SeriesStats{Name: "workflow-" + strconv.Itoa(n), StatsNumbers: each, Trend: make([]int64, 30)})
	}
	return s
}

// stream tells of each second until the caller has gone.
func (f *flood) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		raw, err := json.Marshal(f.counted(time.Second))
		if err != nil {
			return
		}
		if _, err := fmt.Fprintf(w, "event: stats\ndata: %s\n\n", raw); err != nil {
			return // the caller has gone
		}
		_ = http.NewResponseController(w).Flush() // fails as the next write will
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}
