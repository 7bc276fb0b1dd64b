package chaos_test

import (
	"slices"
	"testing"
	"time"

	"paragon/schema/api"
)

// TestAReplayOutlivesRedis empties Redis while a durable replay from a step is in
// it: what the replay took over from the run before is not executed again.
func TestAReplayOutlivesRedis(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{volatile: true})
	front, _ := split(c, kept)
	client := c.client(front)
	run := c.trigger(client, kept.name, "one")
	c.ended(map[string]ack{"one": {id: run.ID}}, time.Minute)
	c.far.treats(func(o observation) answer { return answer{hang: o.step() == "b" && o.n == 1} })
	again, err := client.Replay(t.Context(), run.ID, api.ReplayRequest{From: "b"})
	c.must(err)
	c.far.await(t, time.Minute, "the replay calls", func() bool { return len(c.far.of(again.ID+"/b")) == 1 })
	c.empty()
	c.ended(map[string]ack{"again": {id: again.ID}}, time.Minute)
	if got := c.far.steps(again.ID); len(got) < 2 || slices.Contains(got, "a") {
		t.Errorf("the replay from b called %v", got)
	}
}
