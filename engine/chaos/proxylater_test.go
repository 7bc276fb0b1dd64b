package chaos_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/schema/api"
)

// gate is a far side that holds each path's first call until it is let go, and
// counts the calls by method.
type gate struct {
	mu    sync.Mutex
	calls map[string]int
	came  chan string
	open  chan struct{}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Method + " " + r.URL.Path
	g.mu.Lock()
	g.calls[name]++
	first := g.calls[name] == 1
	g.mu.Unlock()
	if first {
		g.came <- name
		select {
		case <-g.open:
		case <-r.Context().Done():
		}
	}
	w.WriteHeader(http.StatusOK)
}

func (g *gate) count(name string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls[name]
}

// TestCallsForLaterOutliveTheirWorker kills the worker that makes calls whose
// callers do not wait: what can be sent again is, what can't ends as interrupted,
// and nothing that was accepted is lost.
func TestCallsForLaterOutliveTheirWorker(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	g := &gate{calls: map[string]int{}, came: make(chan string, 8), open: make(chan struct{})}
	far := httptest.NewServer(g)
	t.Cleanup(far.Close)
	front := c.start("front", "api,scheduler,flusher")
	worker := c.start("worker", "worker")
	c.apply(front, `apiVersion: paragon/v1
kind: Integration
metadata: {name: crm}
spec: {baseUrl: "`+far.URL+`", timeout: 30s}
`)
	client := c.client(front)
	send := func(method, path string, header ...string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, front.url()+"/v1/projects/default/integrations/crm/proxy"+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.token)
		req.Header.Set("Prefer", "respond-async")
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var job api.ProxyJob
		if err := json.NewDecoder(resp.Body).Decode(&job); err != nil || resp.StatusCode != http.StatusAccepted {
			t.Fatalf("%s %s: %s, %v", method, path, resp.Status, err)
		}
		return job.ID
	}
	jobs := map[string]string{
		"PUT /put":   send("PUT", "/put"),
		"POST /key":  send("POST", "/key", "Idempotency-Key", "k1"),
		"POST /bare": send("POST", "/bare"),
	}
	for range jobs {
		select {
		case <-g.came:
		case <-time.After(time.Minute):
			t.Fatal("not all calls come to the far side")
		}
	}
	worker.kill()
	queued := send("GET", "/later") // accepted while there is no worker
	close(g.open)
	worker.start()

	answered := func(id string) (job *api.ProxyJob) {
		t.Helper()
		c.eventually(2*time.Minute, "job "+id+" ends", func(ctx context.Context) (done bool, err error) {
			job, err = client.ProxyJob(ctx, id, 5*time.Second)
			return err == nil && (job.Answer != nil || job.Error != nil), err
		})
		return job
	}
	for name, id := range jobs {
		job := answered(id)
		if name == "POST /bare" {
			if job.Error == nil || job.Error.Type != "interrupted" || g.count(name) != 1 {
				t.Errorf("%s: %+v after %d calls; want interrupted after one", name, job, g.count(name))
			}
			continue
		}
		if job.Answer == nil || job.Answer.Status != http.StatusOK || g.count(name) != 2 {
			t.Errorf("%s: %+v after %d calls; want an answer after two", name, job, g.count(name))
		}
	}
	if job := answered(queued); job.Answer == nil || g.count("GET /later") != 1 {
		t.Errorf("what was accepted without a worker: %+v", job)
	}
}
