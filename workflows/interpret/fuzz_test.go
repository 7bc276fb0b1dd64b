package interpret_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

const everyKind = `
timeout: 1h
steps:
  - {id: a, retry: {maxAttempts: 3}, request: {url: https://far.test/}}
  - {id: d, delay: {for: 10s}, onError: continue}
  - {id: w, waitFor: {event: go}, onError: continue}
  - {id: c, timeout: 5m, call: {workflow: other}, onError: continue}
  - id: each
    onError: continue
    forEach: {items: "${{ input.list }}", parallelism: 2, onError: collect}
    steps:
      - {id: f, function: {source: "return 1"}}
      - {id: inner, forEach: {items: [1, 2], as: it}, steps: [{id: s, set: {x: "${{ it }}"}}]}
  - id: both
    onError: continue
    parallel:
      parallelism: 1
      branches:
        l: {steps: [{id: e, emit: {event: x}}, {id: r, respond: {status: 201, body: "${{ steps.a }}"}}]}
        m: {steps: [{id: way, switch: [{if: input.yes, steps: [{id: y, set: {x: 1}}]}, {else: true, steps: [{id: n, fail: {message: no}}]}]}]}
output: "${{ steps }}"
outputSchema: {}
onFailure: [{id: tell, emit: {event: failed, data: "${{ run.error }}"}}, {id: pause, delay: {for: 1s}}]
`

// FuzzHistory feeds records that no run of this workflow left, or that were
// changed on the way: the machine must not panic, and the run must end.
func FuzzHistory(f *testing.F) {
	wf := compileYAML(f, "fuzz.yaml", everyKind)
	e := newEngine(f, wf, map[string]any{"list": []any{1.0, 2.0, 3.0}, "yes": true}, random(4), []letter{{At: 0, Event: map[string]any{"name": "go", "data": 1.0}}})
	e.eager = true
	e.run()
	all := []schema.StepRecord{}
	for i, x := range e.log {
		all = append(all, x.rec)
		if i%5 == 0 {
			f.Add(asJSON(f, all), uint64(i), int64(i))
		}
	}
	f.Add([]byte(`[{"path":"a","kind":"request","status":"failed"},{"path":"both","kind":"parallel","status":"waiting"},{"path":"each[0]","kind":"item","status":"failed"}]`), uint64(1), int64(0))
	f.Add([]byte(`[{"path":"c","kind":"call","status":"waiting","result":{"id":"r9"}},{"path":"pause","kind":"delay","status":"canceled"}]`), uint64(2), int64(7_200_000))
	f.Add([]byte(`[{"path":"r","kind":"respond","status":"succeeded","result":[]},{"path":"w","kind":"waitFor","status":"waiting","result":3}]`), uint64(3), int64(-5))

	f.Fuzz(func(t *testing.T, raw []byte, seed uint64, after int64) {
		var history []schema.StepRecord
		if json.Unmarshal(raw, &history) != nil {
			return
		}
		survive(t, wf, history, seed, epoch.Add(time.Duration(after%1e10)*time.Millisecond))
	})
}

func asJSON(t failer, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return raw
}

// survive runs a machine from a foreign history to the end.
func survive(t *testing.T, wf *workflows.Workflow, history []schema.StepRecord, seed uint64, now time.Time) {
	m := interpret.New(interpret.Input{
		Workflow: wf, ID: "r1", CreatedAt: epoch, Trigger: schema.Trigger{Kind: "manual"},
		Input: map[string]any{"list": []any{1.0, 2.0}, "yes": seed%2 == 0},
	}, history)
	m.Complete("a", interpret.Outcome{})
	m.CallEnded("c", "r9", now, interpret.End{Status: schema.RunFailed})
	m.Offer(now, map[string]any{"name": "go"})
	reply := random(seed)
	flying := map[string]interpret.Action{}
	for turn := 0; ; turn++ {
		if turn > 10_000 {
			t.Fatalf("the run does not end")
		}
		d := m.Next(now)
		if _, err := json.Marshal(d.Records); err != nil {
			t.Fatalf("a record can't be written: %v", err)
		}
		if d.End != nil {
			return
		}
		for _, path := range d.Abort {
			delete(flying, path)
		}
		for _, a := range d.Perform {
			flying[a.Path] = a
		}
		for _, w := range d.Calls {
			m.CallEnded(w.Path, w.Run, now, interpret.End{Status: schema.RunSucceeded})
		}
		for _, path := range slices.Sorted(maps.Keys(flying)) {
			r := reply(flying[path])
			delete(flying, path)
			now = now.Add(time.Duration(r.After))
			m.Complete(path, interpret.Outcome{Result: r.Result, Fatal: r.Fatal, Called: r.Run, Attempt: schema.Attempt{EndedAt: now, Error: r.Error}})
		}
		if len(d.Perform) == 0 && len(d.Calls) == 0 && d.Wake.After(now) {
			now = d.Wake
		}
	}
}
