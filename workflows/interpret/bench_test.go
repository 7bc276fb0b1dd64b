package interpret_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

// drive runs a machine to its end as fast as it goes; each effect ends at once.
func drive(b *testing.B, in interpret.Input, history []schema.StepRecord) {
	m := interpret.New(in, history)
	result := json.RawMessage(`{"status":200,"headers":{},"body":{"id":7,"name":"Ada"}}`)
	now := epoch
	var flying []interpret.Action
	for {
		now = now.Add(1000)
		d := m.Next(now)
		if d.End != nil {
			if d.End.Status != schema.RunSucceeded {
				b.Fatal(d.End.Error)
			}
			return
		}
		flying = append(flying, d.Perform...)
		a := flying[0]
		flying = flying[1:]
		m.Complete(a.Path, interpret.Outcome{Result: result, Attempt: schema.Attempt{StartedAt: now, EndedAt: now}})
	}
}

func benchmarkRun(b *testing.B, spec string, input any) {
	wf := compileYAML(b, "bench.yaml", spec)
	in := interpret.Input{Workflow: wf, ID: "r1", Project: "default", Revision: 1, CreatedAt: epoch, Trigger: schema.Trigger{Kind: "manual", Time: epoch}, Input: input}
	b.ReportAllocs()
	for b.Loop() {
		drive(b, in, nil)
	}
}

func BenchmarkThreeSteps(b *testing.B) {
	benchmarkRun(b, `
steps:
  - {id: a, request: {url: "https://far.test/${{ input.n }}"}}
  - {id: b, if: "${{ steps.a.status == 200 }}", set: {name: "${{ steps.a.body.name }}"}}
  - {id: c, request: {method: POST, url: https://far.test/, body: "${{ steps.b }}"}}
output: "${{ steps.b.name }}"
`, map[string]any{"n": 1.0})
}

func BenchmarkThreeNoOps(b *testing.B) {
	benchmarkRun(b, `
steps: [{id: a, set: {x: 1}}, {id: b, set: {x: 2}}, {id: c, set: {x: 3}}]
`, nil)
}

func sequenceOf(n int) string {
	var s strings.Builder
	s.WriteString("steps:\n")
	for i := range n {
		fmt.Fprintf(&s, "  - {id: s%d, request: {url: https://far.test/}}\n", i)
	}
	return s.String()
}

// The time of a step must not depend on how many there are.
func BenchmarkSequence(b *testing.B) {
	for _, n := range []int{50, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkRun(b, sequenceOf(n), nil) })
	}
}

func BenchmarkForEach(b *testing.B) {
	for _, bm := range []struct{ items, width, before int }{{100, 10, 0}, {1000, 10, 0}, {1000, 1000, 0}, {1000, 10, 200}} {
		b.Run(fmt.Sprintf("items=%d/parallelism=%d/before=%d", bm.items, bm.width, bm.before), func(b *testing.B) {
			list := make([]any, bm.items)
			for i := range list {
				list[i] = float64(i)
			}
			spec := "steps:\n"
			for i := range bm.before {
				spec += fmt.Sprintf("  - {id: b%d, set: {x: 1}}\n", i)
			}
			spec += fmt.Sprintf(`  - id: each
    forEach: {items: "${{ input }}", parallelism: %d}
    steps: [{id: get, request: {url: https://far.test/}}, {id: out, set: {id: "${{ steps.get.body.id }}", i: "${{ item }}"}}]
`, bm.width)
			benchmarkRun(b, spec, list)
		})
	}
}

// BenchmarkRestore is what a segment pays to take up a run: half of a loop of
// 1,000 items has ended.
func BenchmarkRestore(b *testing.B) {
	list := make([]any, 1000)
	var history []schema.StepRecord
	history = append(history, schema.StepRecord{Path: "each", Step: "each", Kind: "forEach", Status: schema.StepRunning, StartedAt: epoch})
	for i := range list {
		list[i] = float64(i)
		if i >= 500 {
			continue
		}
		item := fmt.Sprintf("each[%d]", i)
		history = append(history,
			schema.StepRecord{Path: item + "/get", Step: "get", Kind: "request", Status: schema.StepSucceeded, Attempt: 1, StartedAt: epoch, EndedAt: epoch, Result: json.RawMessage(`{"body":7}`)},
			schema.StepRecord{Path: item, Step: "each", Kind: interpret.KindItem, Status: schema.StepSucceeded, StartedAt: epoch, EndedAt: epoch, Result: json.RawMessage(`7`)})
	}
	var wf *workflows.Workflow = compileYAML(b, "bench.yaml", `
steps: [{id: each, forEach: {items: "${{ input }}", parallelism: 10}, steps: [{id: get, request: {url: https://far.test/}}]}]
`)
	in := interpret.Input{Workflow: wf, ID: "r1", CreatedAt: epoch, Input: list}
	b.ReportAllocs()
	for b.Loop() {
		if d := interpret.New(in, history).Next(epoch); len(d.Perform) != 10 {
			b.Fatalf("%d actions", len(d.Perform))
		}
	}
}
