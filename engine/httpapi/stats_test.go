package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/stats"
	"paragon/schema/api"
)

func TestStats(t *testing.T) {
	r := newRig(t)
	client := redis.NewClient(&redis.Options{Addr: r.mini.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	rec := stats.NewRecorder(client, nil, nil)
	for i := range 10 {
		rec.RunStarted("default", "w", time.Millisecond)
		rec.Attempted("default", "w", i == 0)
		rec.RunEnded("default", []string{"w", "v"}[i%2], stats.Ending(i%2), 10*time.Millisecond)
	}
	rec.Start(t.Context())
	if err := rec.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.now = time.Now().Add(3 * time.Second) // all that was counted is in seconds that have ended
	var s api.Stats
	want(t, r.do("viewer", "GET", base+"/stats?window=1m", ""), 200, &s)
	if s.Total.Started != 10 || s.Total.Succeeded != 5 || s.Total.Failed != 5 || s.Total.Retried != 1 || s.StepSeconds != 1 || len(s.Workflows) != 2 {
		t.Errorf("a minute of seconds: %+v", s)
	}
	if s.Total.DurationP50Ms < 9.3 || s.Total.DurationP50Ms > 10.7 {
		t.Errorf("p50 is %v ms; want about 10", s.Total.DurationP50Ms)
	}
	if s.Queue.Runs != 7 || s.Queue.Paused != 1 || s.Queue.Oldest.IsZero() || s.Workers != (api.WorkerStats{Alive: 1, Silent: 1, Running: 3}) {
		t.Errorf("queue %+v, workers %+v", s.Queue, s.Workers)
	}
	var trend int64
	for _, n := range s.Workflows[1].Trend {
		trend += n
	}
	if s.Workflows[1].Name != "w" || trend != s.Workflows[1].Ended() || trend != 5 {
		t.Errorf("the trend of %+v adds up to %d", s.Workflows[1], trend)
	}
	want(t, r.do("viewer", "GET", base+"/stats?window=24h&workflow=v", ""), 200, &s)
	if s.StepSeconds != 60 || s.Total.Failed != 5 || s.Total.Started != 0 || len(s.Workflows) != 1 {
		t.Errorf("a day of minutes of one workflow: %+v", s)
	}
	for _, q := range []string{"window=2h&step=1s", "step=5s", "nothing=1"} {
		if rec := r.do("viewer", "GET", base+"/stats?"+q, ""); rec.Code != 400 {
			t.Errorf("%s: %d %s", q, rec.Code, rec.Body)
		}
	}
	for _, every := range []string{"100ms", "2ms", "x"} {
		if rec := r.do("viewer", "GET", base+"/stats/stream?every="+every, ""); rec.Code != 400 {
			t.Errorf("events every %s: %d %s", every, rec.Code, rec.Body)
		}
	}
}

// The stream begins at once, goes on by the second or by its half, and ends when
// the process is about to.
func TestStatsStream(t *testing.T) {
	t.Run("seconds", func(t *testing.T) { statsStream(t, "", time.Second) })
	t.Run("halves", func(t *testing.T) { statsStream(t, "?every=500ms", 500*time.Millisecond) })
}

func statsStream(t *testing.T, query string, every time.Duration) {
	r := newRig(t)
	r.now = time.Now()
	server := httptest.NewServer(r.server)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+base+"/stats/stream"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.tokens["viewer"])
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	lines := bufio.NewScanner(res.Body)
	events := 0
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var s api.Stats
		if err := json.Unmarshal([]byte(data), &s); err != nil || events == 0 && s.To.Sub(s.From) != every || s.To.Before(s.From) {
			t.Fatalf("event %s: %v", data, err)
		}
		if events++; events == 2 {
			r.drain.Store(true)
		}
	}
	if err := lines.Err(); err != nil || events < 2 {
		t.Errorf("%d events, then %v", events, err)
	}
}
