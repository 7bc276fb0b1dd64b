package chaos_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"paragon/schema"
)

// prioritySource is a workflow of a priority; its one call takes as long as the
// far side likes.
const prioritySource = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: PRIORITY}
spec:
  priority: PRIORITY
  steps:
    - {id: a, request: {method: POST, url: FAR, body: {n: "${{ input.n }}"}}}
`

// TestHigherPrioritiesGoFirst queues runs of a low priority, then as many of a
// high one, before a worker comes that executes few at once: the high ones start
// before the rest.
func TestHigherPrioritiesGoFirst(t *testing.T) {
	t.Parallel()
	c := newCluster(t, options{})
	front := c.start("front", "api,scheduler,flusher")
	c.far.treats(func(observation) answer { return answer{after: 30 * time.Millisecond} })
	client := c.client(front)
	const each, capacity = 60, 4
	high := map[string]bool{}
	for _, p := range []schema.Priority{schema.PriorityLow, schema.PriorityHigh} {
		c.apply(front, yamlOf(c.far, shape{yaml: strings.ReplaceAll(prioritySource, "PRIORITY", string(p))}))
		for i := range each {
			run := c.trigger(client, string(p), fmt.Sprintf("%s-%d", p, i))
			high[run.ID] = p == schema.PriorityHigh
		}
	}
	c.start("worker", "worker", "--capacity", fmt.Sprint(capacity))
	c.far.await(t, time.Minute, "all runs call", func() bool { return c.far.count("a", 1) >= 2*each })
	first := 0
	for _, call := range c.far.history()[:each] {
		if high[call.run()] {
			first++
		}
	}
	t.Logf("of the first %d runs that start, %d are of the high priority, though all of the low one were queued before", each, first)
	// Each queue is looked at once before it is known which has something, and
	// a few runs are claimed beyond the capacity then.
	if first < each*3/4 {
		t.Errorf("room goes to a lower priority while runs of a higher one are queued")
	}
}
