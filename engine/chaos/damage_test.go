package chaos_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"paragon/engine/execution"
	"paragon/engine/queue"
	"paragon/schema"
)

// TestDamagedRunFails writes over parts of runs in Redis. They fail, say why,
// and are in nobody's way.
func TestDamagedRunFails(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	c.apply(front, yamlOf(c.far, chain))
	client := c.client(front)
	damaged := map[string]string{
		"m":   "\x09no form of ours", // the start, of a later version
		"s:a": "",                    // a checkpoint that is cut off
		"i:1": "{",                   // a signal
	}
	ids := map[string]string{}
	for field, value := range damaged {
		id := c.trigger(client, chain.name, field).ID
		ids[field] = id
		lane, _ := execution.LaneOfRun(id)
		c.must(c.rdb.HSet(t.Context(), queue.Key(lane, "run", id), field, value).Err())
	}
	whole := c.trigger(client, chain.name, "whole")
	c.start("worker", "worker")
	c.eventually(30*time.Second, "all runs have ended", func(ctx context.Context) (bool, error) {
		return c.live(ctx) == 0, nil
	})
	run, err := client.Run(t.Context(), whole.ID, 0)
	c.must(err)
	if run.Status != schema.RunSucceeded {
		t.Errorf("the whole run %s", run.Status)
	}
	for field, id := range ids {
		var status, problem string
		c.must(c.pool.QueryRow(t.Context(), `SELECT status, error FROM runs WHERE id = $1`, id).Scan(&status, &problem))
		if status != "failed" || !strings.Contains(problem, "can't be read") {
			t.Errorf("the run whose %s is damaged %s: %s", field, status, problem)
		}
	}
}

// live is how many runs are in Redis, -1 when it does not say.
func (c *cluster) live(ctx context.Context) (n int64) {
	for lane := range lanes {
		count, err := c.rdb.ZCard(ctx, queue.Key(lane, "live")).Result()
		if err != nil {
			return -1
		}
		n += count
	}
	return n
}
