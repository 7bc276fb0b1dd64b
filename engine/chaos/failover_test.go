package chaos_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// marker is a workflow whose runs answer with the number that was applied.
func marker(n int) string {
	return fmt.Sprintf("apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: marker}\nspec:\n  steps:\n    - {id: say, respond: {status: 200, body: {n: %d}}}\n", n)
}

// tryApply applies the nth marker once.
func tryApply(ctx context.Context, client *api.Client, n int) error {
	_, err := client.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "marker.yaml", Content: marker(n)}}}, api.ApplyOptions{})
	return err
}

// answers runs the marker and returns the number that it has.
func (c *cluster) answers(ctx context.Context, client *api.Client) (n int, err error) {
	run, err := client.Trigger(ctx, "marker", api.TriggerRequest{}, 10*time.Second)
	if err != nil {
		return 0, err
	}
	if run.Status != schema.RunSucceeded {
		return 0, fmt.Errorf("run %s is %s", run.ID, run.Status)
	}
	_, err = fmt.Sscanf(string(run.Output), `{"n":%d}`, &n)
	if err != nil {
		return 0, fmt.Errorf("output %s: %w", run.Output, err)
	}
	return n, nil
}

// TestPostgresFailsOver kills the primary Postgres under load and promotes its
// synchronous replica: runs go on meanwhile, a worker starts without a
// database, what was applied and acknowledged before is there after, what is
// applied after counts within a second, and history is complete and exactly
// once.
func TestPostgresFailsOver(t *testing.T) {
	c := newCluster(t, options{ownPostgres: true, replica: true})
	front, _ := split(c, chain, kept)
	client := c.client(front)
	l := c.load(4, 50*time.Millisecond, []*process{front}, chain)
	durable := c.load(2, 100*time.Millisecond, []*process{front}, kept)
	applied := 0
	for range 5 {
		applied++
		c.must(tryApply(t.Context(), client, applied))
	}
	l.await(t, 20, time.Minute)
	durable.await(t, 5, time.Minute)

	c.server.Kill()
	before := c.far.count("c", 1)
	c.start("late", "worker")
	if err := tryApply(t.Context(), client, applied+1); err == nil {
		t.Error("a change was acknowledged without a database")
	}
	l.await(t, 40, time.Minute)
	c.far.await(t, time.Minute, "runs end without a database", func() bool { return c.far.count("c", 1) >= before+15 })
	if n, err := c.answers(t.Context(), client); n != applied || err != nil {
		t.Errorf("without a database the marker says %d, %v; want %d", n, err, applied)
	}

	c.replica.Promote()
	durable.await(t, 5, time.Minute)
	stored, err := client.Get(t.Context(), schema.Ref{Kind: schema.KindWorkflow, Name: "marker"})
	c.must(err)
	if stored.Status.Revision != int64(applied) {
		t.Errorf("after the failover the marker is at revision %d; want %d", stored.Status.Revision, applied)
	}
	for range 5 {
		applied += 10
		c.eventually(time.Minute, "a change is taken", func(ctx context.Context) (bool, error) {
			err := tryApply(ctx, client, applied)
			return err == nil, err
		})
		took := time.Now()
		c.eventually(10*time.Second, "the change is used", func(ctx context.Context) (bool, error) {
			n, err := c.answers(ctx, client)
			return n == applied, err
		})
		t.Logf("applied and used in %v", time.Since(took).Round(time.Millisecond))
	}
	if l.refused > 0 {
		t.Errorf("%d triggers were not acknowledged at once (the last: %v)", l.refused, l.last)
	}
	c.check(merge(l.stop(), durable.stop()), expectation{calm: true, within: 2 * time.Minute})
}
