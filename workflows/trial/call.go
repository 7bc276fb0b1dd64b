package trial

import (
	"encoding/json"
	"fmt"
	"time"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
	"paragon/workflows/steps"
)

// callMock answers calls of other workflows.
type callMock struct {
	spec  *schema.TestCallMock
	value *workflows.Value
	cond  *workflows.Value
	place workflows.Place
	used  int
}

// call performs a call step: by a mock, else by running the workflow.
func (r *run) call(call steps.Call) (steps.Outcome, string) {
	raw, err := steps.CallInput(call)
	if err != nil {
		return steps.FailedExpression(err), ""
	}
	input, name := decode(raw), call.Step.Spec.Call.Workflow
	r.w.calls = append(r.w.calls, Called{Step: call.Path, Workflow: name, Input: input, At: schema.Duration(r.w.since(r.w.clock.Now()))})
	seen := map[string]any{"workflow": name, "input": input, "step": call.Path, "number": len(r.w.calls)}
	mock, err := r.w.callMock(call, seen)
	if err != nil {
		return steps.FailedExpression(err), ""
	}
	id := fmt.Sprintf("%s-call-%d", r.w.given.id, len(r.w.calls))
	waits := steps.Waits(call)
	if mock != nil {
		if waits {
			end, err := mock.end(r.w.given.scope(r.w.clock.Now(), map[string]any{"call": seen}))
			if err != nil {
				r.w.stop(failureOf(mock.place, err))
				return steps.FailedExpression(err), ""
			}
			r.then = func() {
				r.w.plan(r.w.clock.now.Add(time.Duration(mock.spec.After)), func() { r.called(callEnd{call.Path, id, end}) })
			}
			return steps.Outcome{}, id
		}
		return steps.Started(id), ""
	}
	wf := r.w.workflows[name]
	switch {
	case wf == nil:
		r.w.stop(broken("unmatched-call", fmt.Sprintf("step %s calls workflow %s, which no mock answers and no document defines", call.Path, name),
			fmt.Sprintf("add to given: calls: [{workflow: %s, output: …}], or read its document, too", name)))
		return steps.Outcome{Interrupted: true}, ""
	case len(r.w.runs) >= maxRuns:
		r.w.stop(broken("endless", fmt.Sprintf("more than %d runs were started: does %s call itself?", maxRuns, name), ""))
		return steps.Outcome{Interrupted: true}, ""
	}
	if wrong := wf.CheckInput(input); len(wrong) > 0 {
		problem := &schema.Problem{Type: schema.ProblemInvalid, Title: "Invalid input", Status: 422, Detail: fmt.Sprintf("the input breaks the schema of workflow %q", name), Errors: wrong}
		return steps.Outcome{Fatal: true, Err: &schema.RunError{Type: "input", Message: problem.Error()}}, ""
	}
	other := r.w.newRun(id, wf, input, schema.Trigger{Kind: "call", ID: call.Path, Parent: r.id, Time: r.w.clock.Now()})
	r.then = func() { r.w.plan(r.w.clock.now, other.decide) }
	if !waits {
		return steps.Started(id), ""
	}
	other.caller, other.path = r, call.Path
	return steps.Outcome{}, id
}

// callMock finds the mock of a call, nil for none.
func (w *world) callMock(call steps.Call, seen map[string]any) (*callMock, error) {
	for _, m := range w.given.calls {
		if m.spec.Workflow != call.Step.Spec.Call.Workflow || m.spec.Step != "" && !named(m.spec.Step, call.Path) || m.spec.Times > 0 && m.used >= m.spec.Times {
			continue
		}
		if m.cond != nil {
			yes, err := m.cond.EvalBool(w.given.scope(w.clock.Now(), map[string]any{"call": seen}))
			if err != nil {
				w.stop(failureOf(m.place.Field("if"), err))
				return nil, err
			}
			if !yes {
				continue
			}
		}
		m.used++
		return m, nil
	}
	return nil, nil
}

// end is how the called run ends.
func (m *callMock) end(scope *workflows.Scope) (interpret.End, error) {
	if e := m.spec.Error; e != nil {
		kind := e.Type
		if kind == "" {
			kind = "fail"
		}
		return interpret.End{Status: schema.RunFailed, Error: &schema.RunError{Type: kind, Message: e.Message}}, nil
	}
	v, err := m.value.Field("output").Eval(scope)
	if err != nil {
		return interpret.End{}, err
	}
	raw, err := json.Marshal(v)
	if string(raw) == "null" {
		raw = nil
	}
	return interpret.End{Status: schema.RunSucceeded, Output: raw}, err
}
