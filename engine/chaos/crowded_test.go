package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"paragon/schema"
)

// stuckLimit is how long the calls of stuckSource may take.
const stuckLimit = 15 * time.Second

// stuckSource calls a far side that never answers; each run does so once.
const stuckSource = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: stuck}
spec:
  steps:
    - {id: never, timeout: 15s, retry: {maxAttempts: 1}, request: {method: POST, url: FAR, body: {n: "${{ input.n }}"}}}
`

// TestMoreHungCallsThanAWorkerHolds has five times as many runs call a far side
// that never answers as a worker executes at once. Other runs begin all the
// same, timeouts fire in time, what hangs can be canceled, and the worker drains.
func TestMoreHungCallsThanAWorkerHolds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	const capacity, drain = 20, 2 * time.Second
	worker := c.start("worker", "worker", "--capacity", fmt.Sprint(capacity), "--drain", drain.String())
	silent := newFarSide(t)
	silent.treats(func(observation) answer { return answer{hang: true} })
	c.apply(front, yamlOf(c.far, chain))
	c.apply(front, yamlOf(silent, shape{yaml: stuckSource}))
	client := c.client(front)

	before := c.latency(front, "before", 40)
	const hanging = 5 * capacity
	for i := range hanging {
		c.trigger(client, "stuck", fmt.Sprintf("stuck-%d", i))
	}
	silent.await(t, time.Minute, "the worker is full of calls that hang", func() bool { return silent.count("never", 1) >= capacity })
	full := time.Now()
	// The first that comes waits until it is seen that the calls take long.
	first := c.latency(front, "first", 1)
	during := c.latency(front, "during", 40)
	t.Logf("accepted to first step: %v alone; next to %d calls that hang and %d that wait %v at first, then %v (medians)",
		before, silent.count("never", 1), hanging-silent.count("never", 1), first, during)
	if time.Since(full) > stuckLimit-time.Second {
		t.Fatalf("the calls were about to end by themselves: nothing was shown in %v", time.Since(full))
	}
	if first > 5*time.Second || during > max(4*before, 150*time.Millisecond) {
		t.Errorf("calls that hang make others wait")
	}
	if n := silent.count("never", 1); n > 2*capacity && time.Since(silent.history()[0].at) < stuckLimit {
		t.Errorf("%d calls hang at once; the worker's capacity is %d", n, capacity)
	}

	// One that hangs is canceled.
	calls := silent.history()
	hung := calls[len(calls)-1].run()
	c.cancels(front, hung)
	// Stopped while all that hangs does, the worker ends, and no attempt is counted.
	began := time.Now()
	if err := worker.stop(drain + 15*time.Second); err != nil {
		t.Errorf("the worker did not drain: %v", err)
	}
	if took := time.Since(began); took > drain+5*time.Second {
		t.Errorf("the worker drained for %v; its limit is %v", took, drain)
	}
	worker.start()
	history := func(status schema.RunStatus, least int) func(ctx context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			var n int
			err := c.pool.QueryRow(ctx, `SELECT count(*) FROM runs WHERE workflow = 'stuck' AND status = ANY ($1)`,
				[]schema.RunStatus{schema.RunFailed, status}).Scan(&n)
			return n >= least, err
		}
	}
	c.eventually(time.Minute, "calls time out", history(schema.RunFailed, capacity))
	silent.treats(func(observation) answer { return answer{} }) // and the far side is back
	c.eventually(time.Minute, "the other runs end", history(schema.RunSucceeded, hanging-1))
	for id, run := range c.past() {
		want := schema.RunSucceeded
		for _, s := range run.steps {
			for _, a := range s.attempts {
				if a.Number != 1 {
					t.Errorf("run %s counts %d attempts of step %s", id, a.Number, s.path)
				}
				if a.Error == nil || id == hung {
					continue
				}
				want = schema.RunFailed
				if took := a.EndedAt.Sub(a.StartedAt); a.Error.Type != "timeout" || took < stuckLimit || took > stuckLimit+3*time.Second {
					t.Errorf("run %s: the attempt took %v and ended with %v; want a timeout after %v", id, took, a.Error, stuckLimit)
				}
			}
		}
		if id == hung {
			want = schema.RunCanceled
		}
		if run.status != want || run.recoveries != 0 {
			t.Errorf("run %s is %s and was taken over %d times; want %s", id, run.status, run.recoveries, want)
		}
	}
	c.atRest()
}

// cancels cancels a run that goes on, and waits until it has ended.
func (c *cluster) cancels(door *process, id string) {
	c.t.Helper()
	client := c.client(door)
	began := time.Now()
	_, err := client.Cancel(c.t.Context(), id)
	var problem *schema.Problem
	if err != nil && !(errors.As(err, &problem) && problem.Status == http.StatusConflict) {
		c.t.Errorf("cancel %s: %v", id, err)
	}
	c.eventually(time.Minute, "the run is canceled", func(ctx context.Context) (bool, error) {
		run, err := client.Run(ctx, id, 0)
		return err == nil && run.Status == schema.RunCanceled, err
	})
	if took := time.Since(began); took > 5*time.Second {
		c.t.Errorf("run %s took %v to be canceled", id, took)
	}
}
