package daemon_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"paragon/schema"
)

// A paused workflow accepts runs and begins none, also after a restart that
// lost Redis; a resume lets them go. A paused queue keeps everything.
func TestPause(t *testing.T) {
	dir := t.TempDir()
	d := startDev(t, dir)
	ctx := t.Context()
	d.apply("held", "steps:\n  - {id: a, set: {n: \"${{ input.n }}\"}}")
	d.apply("free", "steps:\n  - {id: a, set: {n: 1}}")
	if err := d.PauseWorkflow(ctx, "nowhere"); !missing(err) {
		t.Errorf("a workflow that does not exist was paused: %v", err)
	}
	if err := d.PauseWorkflow(ctx, "held"); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for n := range 5 {
		ids = append(ids, d.trigger("held", fmt.Sprintf(`{"n": %d}`, n)))
	}
	d.eventually("all are held", func() bool {
		paused, err := d.PausedWorkflows(ctx)
		return err == nil && len(paused.Items) == 1 && paused.Items[0].Workflow == "held" && paused.Items[0].Held == 5
	})
	if _, err := d.WaitRun(ctx, d.trigger("free", "{}")); err != nil {
		t.Fatal(err) // the others go on
	}

	d.stop()
	d = startDev(t, dir)
	d.eventually("all are held after a restart", func() bool {
		paused, err := d.PausedWorkflows(ctx)
		return err == nil && len(paused.Items) == 1 && paused.Items[0].Held == 5
	})
	for _, id := range ids {
		if run, err := d.Run(ctx, id, 0); err != nil || run.StartedAt != nil || run.Status != schema.RunWaiting {
			t.Fatalf("held: %+v %v", run, err)
		}
	}
	if err := d.ResumeWorkflow(ctx, "held"); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if run, err := d.WaitRun(ctx, id); err != nil || run.Status != schema.RunSucceeded {
			t.Fatalf("after the resume: %+v %v", run, err)
		}
	}

	queues, err := d.Queues(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range queues.Items {
		if err := d.PauseQueue(ctx, q.Name); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.PauseQueue(ctx, "9999/high"); !missing(err) {
		t.Errorf("a queue that does not exist was paused: %v", err)
	}
	d.stop()
	d = startDev(t, dir)
	id := d.trigger("free", "{}")
	var lane string
	d.eventually("the run waits in a paused queue", func() bool {
		queues, err := d.Queues(ctx)
		for _, q := range queues.Items {
			if err == nil && q.Paused && q.Runs == 1 && time.Since(q.Oldest) < time.Minute {
				lane = q.Name
			}
		}
		return lane != ""
	})
	if run, err := d.Run(ctx, id, 0); err != nil || run.Status != schema.RunQueued {
		t.Fatalf("in a paused queue: %+v %v", run, err)
	}
	if err := d.ResumeQueue(ctx, lane); err != nil {
		t.Fatal(err)
	}
	if run, err := d.WaitRun(ctx, id); err != nil || run.Status != schema.RunSucceeded {
		t.Fatalf("after the queue's resume: %+v %v", run, err)
	}
}

func missing(err error) bool {
	var p *schema.Problem
	return errors.As(err, &p) && p.Type == schema.ProblemNotFound
}

// eventually asks again until the answer is yes.
func (d *dev) eventually(what string, yes func() bool) {
	d.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !yes() {
		select {
		case <-tick.C:
		case <-late:
			d.t.Fatal("it did not come about that " + what)
		}
	}
}
