package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// failing ends failed unless it is a replay.
const failing = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: failing}
spec:
  steps:
    - {id: stop, if: "${{ trigger.kind != 'replay' }}", fail: {message: "not yet"}}
`

// sleepy waits until it is canceled.
const sleepy = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: sleepy}
spec:
  steps:
    - {id: rest, delay: {for: 1h}}
`

// TestReplayOfManySurvivesItsProcess kills the process that replays many runs,
// twice: another one goes on, and each run is replayed once.
func TestReplayOfManySurvivesItsProcess(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	c.start("worker", "worker")
	c.apply(front, failing)
	c.apply(front, sleepy)
	client := c.client(front)
	const runs = 3000
	c.triggerMany(client, "failing", runs)
	filter := api.RunsFilter{Workflow: "failing", Status: []schema.RunStatus{schema.RunFailed}}
	c.eventually(time.Minute, "all have failed", func(ctx context.Context) (bool, error) {
		n, err := client.CountReplay(ctx, filter)
		return err == nil && n.Matched == runs, err
	})
	op, err := client.ReplayMany(t.Context(), filter, "")
	c.must(err)
	for life := range 2 {
		c.eventually(time.Minute, "it has progressed", func(ctx context.Context) (bool, error) {
			op, err = client.Operation(ctx, op.ID)
			return err == nil && op.Done >= int64(500*(life+1)), err
		})
		if op.Ended() {
			t.Fatalf("the operation was too quick to be interrupted: %+v", op)
		}
		t.Logf("killed at %d of %d", op.Done, op.Total)
		front.kill()
		front.start()
		client = c.client(front)
	}
	c.eventually(time.Minute, "it ends", func(ctx context.Context) (bool, error) {
		op, err = client.Operation(ctx, op.ID)
		return err == nil && op.Ended(), err
	})
	if op.State != api.OperationDone || op.Done != runs || op.Failed != 0 || op.Total != runs {
		t.Errorf("the operation ended as %+v", op)
	}
	// Each has one replay, and all of these succeed.
	succeeded := []schema.RunStatus{schema.RunSucceeded}
	c.eventually(time.Minute, "the replays succeed", func(ctx context.Context) (bool, error) {
		n, err := client.CountReplay(ctx, api.RunsFilter{Workflow: "failing", Status: succeeded})
		return err == nil && n.Matched >= runs, err
	})
	replays := map[string]int{}
	for run, err := range client.AllRuns(t.Context(), api.RunsQuery{Workflow: "failing", Status: succeeded}) {
		c.must(err)
		replays[run.Trigger.Parent]++
	}
	for parent, n := range replays {
		if n != 1 {
			t.Errorf("run %s was replayed %d times", parent, n)
		}
	}
	if len(replays) != runs {
		t.Errorf("%d runs were replayed; want %d", len(replays), runs)
	}
}

// TestCancelOfMany cancels what waits, and leaves the rest.
func TestCancelOfMany(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	c.start("worker", "worker")
	c.apply(front, sleepy)
	client := c.client(front)
	const runs = 300
	c.triggerMany(client, "sleepy", runs)
	op, err := client.CancelMany(t.Context(), api.RunsFilter{Workflow: "sleepy"})
	c.must(err)
	c.eventually(time.Minute, "it ends", func(ctx context.Context) (bool, error) {
		op, err = client.Operation(ctx, op.ID)
		return err == nil && op.Ended(), err
	})
	if op.Done != runs || op.Failed != 0 {
		t.Errorf("the operation ended as %+v", op)
	}
	c.eventually(time.Minute, "all are canceled", func(ctx context.Context) (bool, error) {
		n := 0
		for run, err := range client.AllRuns(ctx, api.RunsQuery{Workflow: "sleepy"}) {
			if err != nil {
				return false, err
			}
			if run.Status == schema.RunCanceled {
				n++
			}
		}
		return n == runs, nil
	})
}

// triggerMany starts runs of a workflow, all in one request.
func (c *cluster) triggerMany(client *api.Client, workflow string, n int) {
	c.t.Helper()
	requests := func(yield func(api.TriggerRequest, error) bool) {
		for i := range n {
			if !yield(api.TriggerRequest{Input: json.RawMessage(fmt.Sprintf(`{"n": %d}`, i))}, nil) {
				return
			}
		}
	}
	c.must(client.TriggerMany(c.t.Context(), workflow, requests, func(i int, line api.TriggerLine) error {
		if line.Error != nil {
			return fmt.Errorf("run %d: %w", i, line.Error)
		}
		return nil
	}))
}
