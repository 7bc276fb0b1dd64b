package interpret_test

import (
	"encoding/json"
	"testing"
	"time"

	"paragon/schema"
	"paragon/workflows/interpret"
)

func machineOf(t *testing.T, spec string, history ...schema.StepRecord) *interpret.Machine {
	t.Helper()
	return interpret.New(interpret.Input{
		Workflow: compileYAML(t, "machine.yaml", spec), ID: "r1", CreatedAt: epoch, Trigger: schema.Trigger{Kind: "manual"},
	}, history)
}

// latest is what is durable after some decisions.
func latest(decisions ...interpret.Decision) []schema.StepRecord {
	byPath := map[string]schema.StepRecord{}
	for _, d := range decisions {
		for _, rec := range d.Records {
			byPath[rec.Path] = rec
		}
	}
	var out []schema.StepRecord
	for _, rec := range byPath {
		out = append(out, rec)
	}
	return out
}

func TestNothingAfterTheEnd(t *testing.T) {
	m := machineOf(t, `steps: [{id: a, set: {x: 1}}]`)
	if d := m.Next(epoch); d.End == nil {
		t.Fatalf("no end: %+v", d)
	}
	m.Cancel("too late")
	m.Poison("too late")
	m.Complete("a", interpret.Outcome{})
	if m.Offer(epoch, map[string]any{"name": "e"}) || m.CallEnded("a", "r2", epoch, interpret.End{}) {
		t.Error("a run that has ended took a signal")
	}
	if d := m.Next(epoch); d.End != nil || d.Records != nil || !d.Wake.IsZero() {
		t.Errorf("decided after the end: %+v", d)
	}
}

func TestSignalsNobodyWaitsFor(t *testing.T) {
	m := machineOf(t, `
steps:
  - id: both
    parallel:
      branches:
        a: {steps: [{id: call, call: {workflow: other}}]}
        b: {steps: [{id: wait, waitFor: {event: e, timeout: 10s}}]}
`)
	if m.CallEnded("call", "r2", epoch, interpret.End{Status: schema.RunSucceeded}) {
		t.Error("taken before the first decision")
	}
	m.Next(epoch)
	m.Complete("nowhere", interpret.Outcome{})
	m.Complete("wait", interpret.Outcome{})
	m.Complete("call", interpret.Outcome{Called: "r2", Attempt: schema.Attempt{EndedAt: epoch}})
	m.Complete("call", interpret.Outcome{Called: "r3", Attempt: schema.Attempt{EndedAt: epoch}})
	d := m.Next(epoch)
	if len(d.Calls) != 1 || d.Calls[0].Run != "r2" || len(d.Events) != 1 || d.Events[0].Name != "e" || m.Attempts() != 1 {
		t.Fatalf("%+v", d)
	}
	for _, wrong := range []struct{ path, run string }{{"call", "r3"}, {"wait", "r2"}, {"both", "r2"}, {"", ""}} {
		if m.CallEnded(wrong.path, wrong.run, epoch, interpret.End{}) {
			t.Errorf("the end of %q was taken at %q", wrong.run, wrong.path)
		}
	}
	for _, event := range []map[string]any{nil, {}, {"name": 3}, {"name": "other"}, {"name": "e", "bad": func() {}}} {
		if m.Offer(epoch, event) {
			t.Errorf("%v was taken", event)
		}
	}
	if m.Offer(epoch.Add(10*time.Second), map[string]any{"name": "e"}) {
		t.Error("an event was taken when the wait was over")
	}
	if !m.CallEnded("call", "r2", epoch, interpret.End{Status: schema.RunSucceeded}) || m.CallEnded("call", "r2", epoch, interpret.End{}) {
		t.Error("the end of a called run is taken once")
	}
}

// A worker whose clock is behind takes over a run that has timed out: the run
// stays timed out, and what was given up is not begun again.
func TestLateRunStaysLate(t *testing.T) {
	const end = `onFailure: [{id: b, delay: {for: 1m}}, {id: c, set: {error: "${{ run.error.type }}"}}]`
	for _, tt := range []struct{ name, spec string }{
		{"a step is given up", "timeout: 10s\nsteps: [{id: a, delay: {for: 1m}}]\n" + end},
		{"no step is open", "timeout: 10s\nsteps: [{id: a, request: {url: https://far.test/}}, {id: never, request: {url: https://far.test/}}]\n" + end},
	} {
		t.Run(tt.name, func(t *testing.T) {
			late := epoch.Add(10 * time.Second)
			m := machineOf(t, tt.spec)
			first := m.Next(epoch)
			m.Complete("a", interpret.Outcome{Attempt: schema.Attempt{EndedAt: late}})
			second := m.Next(late)
			behind := machineOf(t, tt.spec, latest(first, second)...)
			d := behind.Next(epoch.Add(9 * time.Second))
			if len(d.Records)+len(d.Perform) != 0 || !d.Wake.Equal(epoch.Add(70*time.Second)) {
				t.Fatalf("%+v", d)
			}
			d = behind.Next(epoch.Add(70 * time.Second))
			if d.End == nil || d.End.Error.Type != "timeout" || string(d.Records[1].Result) != `{"error":"timeout"}` {
				t.Fatalf("%+v", d)
			}
		})
	}
}

// The same, when nothing of its onFailure steps is durable yet.
func TestLateRunStaysLateBeforeOnFailure(t *testing.T) {
	const spec = "timeout: 10s\nsteps: [{id: a, delay: {for: 1m}}]\nonFailure: [{id: b, emit: {event: failed}}]"
	m := machineOf(t, spec)
	first, second := m.Next(epoch), m.Next(epoch.Add(10*time.Second))
	d := machineOf(t, spec, latest(first, second)...).Next(epoch.Add(9 * time.Second))
	if len(d.Records) != 0 || len(d.Perform) != 1 || d.Perform[0].Path != "b" {
		t.Fatalf("%+v", d)
	}
}

// A replay begins with the records of another run: what was given up there is
// begun afresh.
func TestReplayBeginsAfresh(t *testing.T) {
	m := machineOf(t, `steps: [{id: a, set: {x: 1}}, {id: b, retry: {}, request: {url: https://far.test/}}]`,
		schema.StepRecord{Path: "a", Step: "a", Kind: "set", Status: schema.StepSucceeded, Result: json.RawMessage(`{"x":9}`), StartedAt: epoch.Add(-time.Hour), EndedAt: epoch.Add(-time.Hour)},
		schema.StepRecord{Path: "b", Step: "b", Kind: "request", Status: schema.StepCanceled, Attempt: 4, StartedAt: epoch.Add(-time.Hour), EndedAt: epoch.Add(-time.Hour)})
	d := m.Next(epoch)
	if len(d.Perform) != 1 || d.Perform[0].Attempt != 1 || len(d.Records) != 0 {
		t.Fatalf("%+v", d)
	}
	if got := d.Perform[0].Scope.Steps["a"].(map[string]any)["x"]; got != 9.0 {
		t.Errorf("steps.a.x is %v", got)
	}
}

// Records say the same wherever the worker's clock has its zone.
func TestTimesAreUTC(t *testing.T) {
	m := machineOf(t, `steps: [{id: a, set: {now: "${{ now() }}"}}]`)
	d := m.Next(epoch.In(time.FixedZone("there", 5*3600)))
	if got := string(d.Records[0].Result); got != `{"now":"2024-05-06T07:08:09Z"}` || d.Records[0].StartedAt.Location() != time.UTC {
		t.Errorf("%s at %s", got, d.Records[0].StartedAt)
	}
}

func TestTriggerScope(t *testing.T) {
	scope := interpret.TriggerScope(schema.Trigger{
		Kind: "webhook", ID: "hook", Method: "POST", Time: epoch, Event: "lead.created", Data: json.RawMessage(`{"n":1}`),
		Headers: map[string]string{"x-a": "1"},
	}, map[string]any{"b": true}, interpret.Person{})
	raw, err := json.Marshal(map[string]any{"trigger": scope.Trigger, "event": scope.Event, "input": scope.Input})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"event":{"data":{"n":1},"name":"lead.created","time":"2024-05-06T07:08:09Z"},"input":{"b":true},"trigger":{"actor":"","body":{"b":true},` +
		`"event":"lead.created","headers":{"x-a":"1"},"id":"hook","kind":"webhook","method":"POST","parent":"","query":{},"time":"2024-05-06T07:08:09Z"}}`
	if string(raw) != want {
		t.Errorf("got\n%s\nwant\n%s", raw, want)
	}
}

// What was answered is known at once, also to a machine that takes over.
func TestResponse(t *testing.T) {
	const spec = "steps: [{id: a, respond: {status: 201, body: hello}}, {id: b, delay: {for: 1m}}]"
	m := machineOf(t, spec)
	if m.Response() != nil {
		t.Errorf("answered before the first step: %s", m.Response())
	}
	d := m.Next(epoch)
	const want = `{"body":"hello","status":201}`
	if string(m.Response()) != want {
		t.Errorf("the response is %s", m.Response())
	}
	if again := machineOf(t, spec, latest(d)...); string(again.Response()) != want {
		t.Errorf("after a restart the response is %s", again.Response())
	}
}
