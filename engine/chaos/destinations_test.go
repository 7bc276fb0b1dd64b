package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"paragon/schema/api"
)

// notified is a webhook of a destination: what each message tells, by its id.
type notified struct {
	mu       sync.Mutex
	events   map[string]int64
	attempts int
}

func (n *notified) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ Data struct{ Count int64 } }
	raw, _ := io.ReadAll(r.Body)
	if json.Unmarshal(raw, &body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events[r.Header.Get("webhook-id")] = body.Data.Count
	n.attempts++
}

func (n *notified) told() (events int64, messages, attempts int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, count := range n.events {
		events += count
	}
	return events, len(n.events), n.attempts
}

// TestAStormIsToldOnceThoughSendersDie has hundreds of runs fail while the
// processes that send, and a worker, are killed again and again: each failure is
// told in one message, and there are few.
func TestAStormIsToldOnceThoughSendersDie(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	n := &notified{events: map[string]int64{}}
	hook := httptest.NewServer(n)
	t.Cleanup(hook.Close)
	front := c.start("front", "api,flusher")
	victims := []*process{c.start("sender-1", "scheduler"), c.start("sender-2", "scheduler"), c.start("worker-1", "worker")}
	c.start("worker-2", "worker")
	c.apply(front, `apiVersion: paragon/v1
kind: Destination
metadata: {name: hook}
spec:
  events: [{event: run.failed}]
  group: {wait: 1s, interval: 2s}
  webhook: {url: "`+hook.URL+`"}
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: unlucky}
spec: {steps: [{id: stop, fail: {message: "no luck"}}]}
`)
	began, client := time.Now(), c.client(front)
	const storm, kills = 600, 6
	// Workers learn of the destination within moments: until then nobody asks
	// for failures.
	c.eventually(time.Minute, "a failure is told", func(ctx context.Context) (bool, error) {
		_, err := client.Trigger(ctx, "unlucky", api.TriggerRequest{}, time.Second)
		events, _, _ := n.told()
		return events > 0, err
	})
	c.pass(4 * time.Second) // an interval, and what is told after it
	before, _, _ := n.told()
	for i := range storm {
		if _, err := client.Trigger(t.Context(), "unlucky", api.TriggerRequest{}, 0); err != nil {
			t.Fatal(err)
		}
		if i%(storm/kills) == storm/kills/2 {
			p := victims[i/(storm/kills)%len(victims)]
			p.kill()
			p.start()
		}
	}
	c.eventually(2*time.Minute, "all failures are told", func(context.Context) (bool, error) {
		events, messages, _ := n.told()
		if events < before+storm {
			return false, fmt.Errorf("%d of %d, in %d messages", events-before, storm, messages)
		}
		return true, nil
	})
	c.pass(4 * time.Second) // what would be told twice
	events, messages, attempts := n.told()
	took := time.Since(began)
	if most := int(took/(2*time.Second)) + 2; events != before+storm || messages > most || attempts > messages+kills {
		t.Errorf("%d failures of %d were told in %d messages (%d at most) and %d attempts within %s", events-before, storm, messages, most, attempts, took)
	}
	t.Logf("%d failures, %d messages, %d attempts, %d kills, %s", events-before, messages, attempts, kills, took)
}
