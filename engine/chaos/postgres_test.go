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

// TestPostgresIsDown is away for as long as sixty triggers take, and for two
// minutes each time in `make chaos`.
func TestPostgresIsDown(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{ownPostgres: true})
	front, _ := split(c, chain, rest, fan)
	l := c.load(4, 30*time.Millisecond, []*process{front}, chain, rest, fan)
	l.await(t, 30, time.Minute)
	for range 2 {
		c.server.Kill()
		// Runs are accepted and executed to their last step meanwhile.
		before := c.far.count("c", 1)
		l.await(t, 60, time.Minute)
		c.far.await(t, time.Minute, "runs end with Postgres down", func() bool { return c.far.count("c", 1) >= before+15 })
		if *chaosFor >= longFrom {
			c.pass(2 * time.Minute)
		}
		c.server.Restart()
		l.await(t, 20, time.Minute)
	}
	if l.refused > 0 {
		t.Errorf("%d triggers were not acknowledged at once (the last: %v)", l.refused, l.last)
	}
	within := time.Minute
	if *chaosFor >= longFrom {
		within = 5 * time.Minute // tens of thousands of runs came meanwhile
	}
	c.check(l.stop(), expectation{calm: true, within: within})
}

func TestFlusherIsKilledWhileItWrites(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,worker")
	flusher := c.start("flusher", "flusher")
	c.start("second", "flusher")
	c.apply(front, yamlOf(c.far, chain))
	l := c.load(4, 20*time.Millisecond, []*process{front}, chain)
	for range 5 {
		l.await(t, 25, time.Minute)
		flusher.kill()
		flusher.start()
	}
	c.check(l.stop(), expectation{calm: true})
}

func TestPostgresIsDownPastTheLogLimit(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher", "--log-limit", "60000")
	c.start("worker", "worker")
	c.apply(front, yamlOf(c.far, chain))
	client := c.client(front)
	acked := map[string]ack{}
	trigger := func(i int) error {
		key := fmt.Sprintf("run-%d", i)
		run, err := client.Trigger(t.Context(), chain.name, request(key, key), 0)
		if err == nil {
			acked[key] = ack{id: run.ID, shape: chain}
		}
		return err
	}
	front.postgres.cut()
	var refused *schema.Problem
	next := 0
	for ; refused == nil; next++ {
		if next == 2000 {
			t.Fatal("2000 runs were accepted though their log is beyond the limit")
		}
		if err := trigger(next); err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
	}
	if refused.Status != http.StatusServiceUnavailable || refused.RetryAfter <= 0 {
		t.Errorf("at the limit of the log: %d, Retry-After %d; want 503 with Retry-After", refused.Status, refused.RetryAfter)
	}
	if len(acked) == 0 {
		t.Error("nothing was accepted below the limit")
	}
	front.postgres.mend()
	c.eventually(30*time.Second, "triggers are accepted again", func(context.Context) (bool, error) {
		next++
		err := trigger(next)
		return err == nil, err
	})
	c.check(acked, expectation{calm: true})
}
