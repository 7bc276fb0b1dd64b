package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/schema"
)

// What kills is a call during which the test kills the worker. The runs of one
// workflow make nothing else, those of the other make calls beside it all the
// time; both would be told of by a step of onFailure.
const killers = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: lone}
spec:
  steps:
    - {id: kill, timeout: 10m, request: {method: POST, url: FAR}}
  onFailure:
    - {id: sorry, request: {method: POST, url: FAR}}
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: beside}
spec:
  steps:
    - id: both
      parallel:
        branches:
          one: {steps: [{id: kill, timeout: 10m, request: {method: POST, url: FAR}}]}
          two: {steps: [{id: each, forEach: {items: "${{ 1..900 }}"}, steps: [{id: quick, request: {method: POST, url: FAR}}]}]}
  onFailure:
    - {id: sorry, request: {method: POST, url: FAR}}
---
apiVersion: paragon/v1
kind: Destination
metadata: {name: hook}
spec:
  events: [{event: run.failed}]
  group: {wait: 1s, interval: 2s}
  webhook: {url: "HOOK"}
`

// TestRunsThatKillWorkersAreStopped has two runs take down each worker that
// executes them, while calls of others are under way. They are stopped after
// three workers each, and told of; the others succeed.
func TestRunsThatKillWorkersAreStopped(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	told := newTold(t)
	front := c.start("front", "api,scheduler,flusher")
	worker := c.start("worker", "worker")
	c.apply(front, yamlOf(c.far, chain)+"\n---\n"+strings.NewReplacer("FAR", c.far.url(), "HOOK", told.url).Replace(killers))
	c.far.treats(func(o observation) answer {
		switch step := o.step(); {
		case step == "kill", step == "b" && o.n <= 2:
			return answer{hang: true}
		case step == "b":
			return answer{after: 300 * time.Millisecond}
		case strings.HasPrefix(step, "each"):
			return answer{after: 50 * time.Millisecond}
		}
		return answer{}
	})
	client := c.client(front)
	left := []string{c.trigger(client, "lone", "lone").ID, c.trigger(client, "beside", "beside").ID}
	poison := slices.Clone(left)
	others := map[string]ack{}
	const neighbours = 5
	for i := range neighbours {
		key := fmt.Sprintf("other-%d", i)
		others[key] = ack{id: c.trigger(client, chain.name, key).ID, shape: chain}
	}
	kills := func(run string) int { return len(c.far.of(run + "/kill")) }
	again := func() { worker.kill(); worker.start() }
	beside := func() int { return len(c.far.steps(left[1])) - kills(left[1]) }
	// The first two take all the others along.
	for n := 1; n <= 2; n++ {
		before := beside()
		c.far.await(t, time.Minute, "all are under way, and the one goes on beside what kills", func() bool {
			return kills(left[0]) == n && kills(left[1]) == n && c.far.count("b", n) == neighbours && beside() >= before+5
		})
		again()
	}
	// Now each is on trial: no more than one is under way.
	for len(left) > 0 {
		c.far.await(t, time.Minute, "the next kills", func() bool {
			return slices.ContainsFunc(left, func(run string) bool { return kills(run) == 3 })
		})
		left = slices.DeleteFunc(left, func(run string) bool { return kills(run) == 3 })
		again()
	}
	acked := map[string]ack{"lone": {id: poison[0]}, "beside": {id: poison[1]}}
	c.ended(merge(others, acked), time.Minute)
	c.atRest()
	past := c.past()
	for _, id := range poison {
		run, err := client.Run(t.Context(), id, 0)
		c.must(err)
		if run.Status != schema.RunFailed || run.Error == nil || run.Error.Type != "poison" || !strings.Contains(run.Error.Message, "3 workers in a row died") || run.Recoveries < 3 {
			t.Errorf("after 3 dead workers the run is %s with %+v and %d recoveries", run.Status, run.Error, run.Recoveries)
		}
		if kills(id) != 3 || len(c.far.of(id+"/sorry")) != 0 {
			t.Errorf("the far side saw of it: %v; want three calls, and none of onFailure", c.far.steps(id))
		}
	}
	for key, a := range others {
		if got, want := c.far.steps(a.id), []string{"a", "b", "b", "b", "c"}; past[a.id].status != schema.RunSucceeded || !slices.Equal(got, want) {
			t.Errorf("%s is %s, the far side saw %v; want it to succeed by %v", key, past[a.id].status, got, want)
		}
	}
	c.eventually(time.Minute, "both are told of", func(context.Context) (bool, error) {
		for _, id := range poison {
			if of, ok := told.of(id); !ok || of["type"] != "poison" {
				return false, fmt.Errorf("of %s: %v", id, of)
			}
		}
		return true, nil
	})
}

// TestTermIsNoDeath ends worker after worker by SIGTERM during the same call.
func TestTermIsNoDeath(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	worker := c.start("worker", "worker", "--drain", "1s")
	c.apply(front, yamlOf(c.far, chain))
	const times = 4
	c.far.treats(func(o observation) answer { return answer{hang: o.step() == "b" && o.n <= times} })
	id := c.trigger(c.client(front), chain.name, "run").ID
	for n := 1; n <= times; n++ {
		c.far.await(t, time.Minute, "the call is under way", func() bool { return len(c.far.of(id+"/b")) == n })
		c.must(worker.stop(time.Minute))
		worker.start()
	}
	c.ended(map[string]ack{"run": {id: id}}, time.Minute)
	run := c.past()[id]
	if b := lastOf(run, "b"); run.status != schema.RunSucceeded || run.recoveries != 0 || b.attempt > 1 {
		t.Errorf("the run is %s after %d recoveries, and made %d attempts; want it to succeed without any at its first", run.status, run.recoveries, b.attempt)
	}
}

// lastOf is the last record of a step.
func lastOf(run pastRun, path string) (last pastStep) {
	for _, s := range run.steps {
		if s.path == path {
			last = s
		}
	}
	return last
}

// toldOf is a webhook of a destination that keeps the details of each run that it
// is told of.
type toldOf struct {
	url  string
	mu   sync.Mutex
	runs map[string]map[string]string
}

func newTold(t testing.TB) *toldOf {
	told := &toldOf{runs: map[string]map[string]string{}}
	server := httptest.NewServer(told)
	t.Cleanup(server.Close)
	told.url = server.URL
	return told
}

func (told *toldOf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Data struct {
			Events []struct {
				Examples []struct {
					Run     string
					Details map[string]string
				}
			}
		}
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	told.mu.Lock()
	defer told.mu.Unlock()
	for _, event := range body.Data.Events {
		for _, example := range event.Examples {
			told.runs[example.Run] = example.Details
		}
	}
}

func (told *toldOf) of(run string) (details map[string]string, ok bool) {
	told.mu.Lock()
	defer told.mu.Unlock()
	details, ok = told.runs[run]
	return details, ok
}
