package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// wide calls the far side for every item of its input.
const wide = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: wide}
spec:
  defaults:
    timeout: 10s
    retry: {maxAttempts: 50, initialInterval: 40ms, maxInterval: 400ms, jitter: full}
  steps:
    - id: each
      forEach: {items: "${{ input.items }}", as: it, parallelism: 24}
      steps:
        - {id: item, request: {method: POST, url: %s, body: {n: "${{ it }}"}}}
        - {id: kept, set: {i: "${{ it }}", at: "${{ it_index }}"}}
  output: "${{ steps.each }}"
`

// TestFanOutSpreadsOverWorkers executes a loop of 2,000 items on two workers,
// of which one is killed in the middle, beside runs that want to be quick.
func TestFanOutSpreadsOverWorkers(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	first := c.start("first", "worker")
	c.start("second", "worker")
	c.apply(front, fmt.Sprintf(wide, c.far.url())+"\n---\n"+yamlOf(c.far, chain))
	const items, parallelism = 2000, 24
	input := map[string][]int{}
	for i := range items {
		input["items"] = append(input["items"], items-i)
	}
	raw, err := json.Marshal(input)
	c.must(err)
	client := c.client(front)
	start := time.Now()
	run, err := client.Trigger(t.Context(), "wide", api.TriggerRequest{Input: raw}, 0)
	c.must(err)
	c.far.await(t, time.Minute, "a tenth is done", func() bool { return c.far.count("each[150]/item", 1) == 1 })
	began := time.Now()
	quick, err := client.Trigger(t.Context(), chain.name, request("quick", "quick"), 4*time.Second)
	c.must(err)
	if quick.Status != schema.RunSucceeded {
		t.Errorf("a run beside the fan-out is %s after %v", quick.Status, time.Since(began))
	}
	t.Logf("a tenth took %v, the run beside it %v", began.Sub(start), time.Since(began))
	first.kill()
	var ended *schema.Run
	c.eventually(2*time.Minute, "the fan-out ends", func(ctx context.Context) (bool, error) {
		ended, err = client.Run(ctx, run.ID, 0)
		return err == nil && ended.Status.Ended(), err
	})
	t.Logf("the rest took %v after the kill", time.Since(began))
	if ended.Status != schema.RunSucceeded {
		t.Fatalf("the fan-out %s: %+v", ended.Status, ended.Error)
	}
	var out []struct{ I, At int }
	c.must(json.Unmarshal(ended.Output, &out))
	if len(out) != items {
		t.Fatalf("the output has %d items", len(out))
	}
	for i, got := range out {
		if got.At != i || got.I != items-i {
			t.Fatalf("item %d gave %+v", i, got)
		}
	}
	runs, again := map[string]bool{}, 0
	times := map[string]int{}
	for _, o := range c.far.history() {
		if o.run() == quick.ID {
			continue
		}
		runs[o.run()] = true
		if times[o.step()]++; times[o.step()] > 1 {
			again++
		}
	}
	if len(times) != items {
		t.Errorf("the far side saw %d items; want %d", len(times), items)
	}
	if runs[run.ID] || len(runs) < 4 {
		t.Errorf("%d runs executed the chunks", len(runs))
	}
	if again > parallelism {
		t.Errorf("%d items were executed again after the kill; %d were under way at most", again, parallelism)
	}
}

// TestCanceledFanOutCancelsItsChunks cancels the run, and nothing more is done.
func TestCanceledFanOutCancelsItsChunks(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", everything)
	c.apply(front, fmt.Sprintf(wide, c.far.url()))
	c.far.treats(func(observation) answer { return answer{after: 5 * time.Millisecond} })
	client := c.client(front)
	run, err := client.Trigger(t.Context(), "wide", api.TriggerRequest{Input: []byte(`{"items":[` + zeros(5000) + `]}`)}, 0)
	c.must(err)
	c.far.await(t, time.Minute, "it is under way", func() bool { return len(c.far.history()) > 100 })
	_, err = client.Cancel(t.Context(), run.ID)
	c.must(err)
	c.eventually(30*time.Second, "all runs end", func(ctx context.Context) (bool, error) {
		list, err := client.Runs(ctx, api.RunsQuery{Status: []schema.RunStatus{schema.RunQueued, schema.RunRunning, schema.RunWaiting}})
		return err == nil && len(list.Items) == 0, err
	})
	if n := len(c.far.history()); n > 4000 {
		t.Errorf("the far side saw %d of 5,000 items though the run was canceled after some 100", n)
	}
	canceled, err := client.Runs(t.Context(), api.RunsQuery{Workflow: "wide", Limit: 100})
	c.must(err)
	for _, r := range canceled.Items {
		if r.Status == schema.RunFailed {
			t.Errorf("run %s failed: %+v", r.ID, r.Error)
		}
	}
}

// TestDurableFanOutOutlivesItsWorkersAndRedis executes a loop of a run with
// durability store on two workers, kills one of them in the middle, and then has
// Redis forget everything: the chunks go on where the store has them.
func TestDurableFanOutOutlivesItsWorkersAndRedis(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{volatile: true})
	front := c.start("front", "api,scheduler,flusher")
	first := c.start("first", "worker")
	c.start("second", "worker")
	c.apply(front, strings.Replace(fmt.Sprintf(wide, c.far.url()), "spec:", "spec:\n  durability: store", 1))
	c.far.treats(func(observation) answer { return answer{after: 40 * time.Millisecond} })
	const items, parallelism = 2000, 24
	client := c.client(front)
	run, err := client.Trigger(t.Context(), "wide", api.TriggerRequest{Input: []byte(`{"items":[` + zeros(items) + `]}`)}, 0)
	c.must(err)
	c.far.await(t, time.Minute, "a tenth is done", func() bool { return len(c.far.history()) > items/10 })
	first.kill()
	c.far.await(t, 2*time.Minute, "a half is done", func() bool { return len(c.far.history()) > items/2 })
	c.eventually(time.Minute, "most of that is in the store", func(ctx context.Context) (bool, error) {
		var n int
		err := c.pool.QueryRow(ctx, `SELECT count(DISTINCT (run, path)) FROM steps WHERE path LIKE '%/item' AND status = 'succeeded'`).Scan(&n)
		return n > items/4, err
	})
	stored := map[string]bool{}
	rows, err := c.pool.Query(t.Context(), `SELECT path FROM steps WHERE path LIKE '%/item' AND status = 'succeeded'`)
	c.must(err)
	for rows.Next() {
		var path string
		c.must(rows.Scan(&path))
		stored[path] = true
	}
	c.must(rows.Err())
	c.empty()
	before := len(c.far.history())
	var ended *schema.Run
	c.eventually(3*time.Minute, "the fan-out ends", func(ctx context.Context) (bool, error) {
		ended, err = client.Run(ctx, run.ID, 0)
		return err == nil && ended.Status.Ended(), err
	})
	if ended.Status != schema.RunSucceeded {
		t.Fatalf("the fan-out %s: %+v", ended.Status, ended.Error)
	}
	var out []struct{ I, At int }
	c.must(json.Unmarshal(ended.Output, &out))
	if len(out) != items {
		t.Fatalf("the output has %d items", len(out))
	}
	for i, got := range out {
		if got.At != i {
			t.Fatalf("item %d gave %+v", i, got)
		}
	}
	keys, runs := map[string]string{}, map[string]bool{}
	for i, o := range c.far.history() {
		runs[o.run()] = true
		if was := keys[o.step()]; was != "" && was != o.key {
			t.Errorf("%s was sent under the keys %s and %s", o.step(), was, o.key)
		}
		keys[o.step()] = o.key
		if i >= before && stored[o.step()] {
			t.Errorf("%s was executed again, though the store had that it is finished", o.step())
		}
	}
	if len(keys) != items {
		t.Errorf("the far side saw %d items; want %d", len(keys), items)
	}
	if runs[run.ID] || len(runs) < 4 {
		t.Errorf("%d runs executed the chunks", len(runs))
	}
	t.Logf("%d of %d items were in the store when Redis lost them, %d calls in all", len(stored), items, len(c.far.history()))
}

// zeros is a list of so many zeros.
func zeros(n int) string {
	list := "0"
	for range n - 1 {
		list += ",0"
	}
	return list
}
