package bench_test

import (
	"fmt"
	"testing"
	"time"

	"paragon/engine/daemon"
	"paragon/schema"
	"paragon/schema/api"
)

const wide = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: wide}
spec:
  steps:
    - id: each
      forEach: {items: "${{ 1..input.count }}", as: n, parallelism: 64}
      steps:
        - {id: item, function: {source: "return null"}}
  output: "${{ len(steps.each) }}"
`

// TestFanOut measures one run with a loop of 100,000 items, and how soon other
// runs start beside it.
func TestFanOut(t *testing.T) {
	items := size(3_000, 100_000)
	w := newWorld(t)
	begun := &started{}
	w.performer = begun
	d := w.start(daemon.AllRoles...)
	c := w.client(d)
	apply(t, c, wide)
	apply(t, c, three)
	began := time.Now()
	run, err := c.Trigger(t.Context(), "wide", api.TriggerRequest{Input: fmt.Appendf(nil, `{"count":%d}`, items)}, 0)
	must(t, err)
	var late []time.Duration
	for deadline := began.Add(5 * time.Minute); !run.Status.Ended(); {
		if time.Now().After(deadline) {
			t.Fatalf("the fan-out is still %s", run.Status)
		}
		beside, err := c.Trigger(t.Context(), "three", api.TriggerRequest{}, 0)
		must(t, err)
		late = append(late, max(begun.wait(t, beside.ID).Sub(beside.CreatedAt), 0))
		run, err = c.Run(t.Context(), run.ID, 20*time.Millisecond)
		must(t, err)
	}
	took := time.Since(began)
	if run.Status != schema.RunSucceeded || string(run.Output) != fmt.Sprint(items) {
		t.Fatalf("the fan-out %s with %s: %v", run.Status, run.Output, run.Error)
	}
	report(figure{Name: fmt.Sprintf("items of one forEach of %d a second", items), Value: float64(items) / took.Seconds(), Unit: "1/s"})
	report(figure{Name: "trigger to first step of a run beside it, p50", Value: quantile(late, 0.5), Unit: "ms"})
	report(figure{Name: "the same, p99", Value: quantile(late, 0.99), Unit: "ms"})
}
