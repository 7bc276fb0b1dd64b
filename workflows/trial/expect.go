package trial

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

// checker compares an outcome with what is expected.
type checker struct {
	o      *outcome
	tc     workflows.TestCase
	scope  *workflows.Scope
	failed []Failure
}

// check says what is not as expected.
func (o *outcome) check(tc workflows.TestCase) []Failure {
	c := &checker{o: o, tc: tc}
	c.scope = o.w.given.scope(o.w.clock.now, o.names())
	c.status()
	c.value("output", o.output, false)
	c.value("response", o.response, false)
	c.value("error", errorOf(o.err), true)
	if v, _, at := c.field("duration"); v != nil {
		c.span(v, o.duration, at, "the run took")
	}
	c.steps()
	c.ran()
	c.requests()
	c.events()
	c.calls()
	c.assert()
	return c.failed
}

// names are what the expressions of what is expected see.
func (o *outcome) names() map[string]any {
	steps, attempts := map[string]any{}, map[string]any{}
	requests, events, calls := []any{}, []any{}, []any{}
	if o.main != nil {
		for _, s := range o.main.order {
			attempts[s.Path] = len(s.Attempts)
			if strings.ContainsAny(s.Path, "/") {
				continue
			}
			if s.Status == schema.StepFailed {
				steps[s.Path] = map[string]any{"error": errorOf(s.Error)}
			} else {
				steps[s.Path] = decode(s.Result)
			}
		}
	}
	for _, r := range o.result.Requests {
		requests = append(requests, r.value())
	}
	for _, e := range o.result.Events {
		events = append(events, map[string]any{"step": e.Step, "event": e.Event, "id": e.ID, "data": e.Data, "at": time.Duration(e.At).Seconds()})
	}
	for _, x := range o.result.Calls {
		calls = append(calls, map[string]any{"step": x.Step, "workflow": x.Workflow, "input": x.Input, "at": time.Duration(x.At).Seconds()})
	}
	return map[string]any{
		"status": o.status, "output": o.output, "response": o.response, "error": errorOf(o.err), "steps": steps, "attempts": attempts,
		"requests": requests, "events": events, "calls": calls, "took": o.duration.Seconds(), "input": o.input,
		"run": map[string]any{"id": o.w.given.id, "project": schema.DefaultProject}, "actual": nil,
	}
}

func errorOf(e *schema.RunError) any {
	if e == nil {
		return nil
	}
	out := map[string]any{"type": e.Type, "message": e.Message}
	if e.Step != "" {
		out["step"] = e.Step
	}
	if e.Status != 0 {
		out["status"] = float64(e.Status)
	}
	return out
}

// field is an expectation: that of the case, else of the document. Its value is
// nil when there is none.
func (c *checker) field(name string) (*workflows.Value, *workflows.TestExpect, workflows.Place) {
	for _, e := range []*workflows.TestExpect{c.tc.Expect.Own, c.tc.Expect.Shared} {
		if e == nil {
			continue
		}
		at := e.Place.Field(name)
		if !at.There() {
			continue
		}
		v := e.Value.Field(name)
		if v == nil {
			v = &workflows.Value{} // null
		}
		return v, e, at
	}
	return nil, nil, workflows.Place{}
}

func (c *checker) fail(at workflows.Place, format string, args ...any) {
	c.failed = append(c.failed, Failure{Diagnostic: at.Finding("expect", "", format, args...)})
}

// same fails unless a value is what is wanted.
func (c *checker) same(want *workflows.Value, got any, part bool, at workflows.Place, what string) {
	shown, ok, err := compare(want, got, c.scope, part)
	if err != nil {
		c.failed = append(c.failed, failureOf(at, err))
		return
	}
	if !ok {
		c.differ(shown, got, at, what)
	}
}

// differ says how two values differ.
func (c *checker) differ(want, got any, at workflows.Place, what string) {
	f := Failure{Want: yaml(want), Got: yaml(got)}
	message := what + " not as expected"
	if !strings.Contains(strings.TrimSuffix(f.Want+f.Got, "\n"), "\n") || short(f.Want) && short(f.Got) {
		f.Want, f.Got = brief(want, f.Want), brief(got, f.Got)
		message = fmt.Sprintf("%s: wanted %s, got %s", what, f.Want, f.Got)
	}
	f.Diagnostic = at.Finding("expect", "", "%s", message)
	c.failed = append(c.failed, f)
}

// brief is a value on one line; a list of one would look like a dash.
func brief(v any, text string) string {
	if list, ok := v.([]any); ok {
		if raw, err := json.Marshal(list); err == nil {
			return string(raw)
		}
	}
	return strings.TrimSpace(text)
}

func short(text string) bool {
	text = strings.TrimSpace(text)
	return len(text) <= 60 && !strings.Contains(text, "\n")
}

// yaml is a value for people.
func yaml(v any) string {
	text, err := workflows.MarshalYAML(plain(v))
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// firstDifference is one line on how two values differ.
func firstDifference(want, got any) string {
	w, g := strings.Split(strings.TrimSpace(yaml(want)), "\n"), strings.Split(strings.TrimSpace(yaml(got)), "\n")
	for i, line := range w {
		if i >= len(g) || g[i] != line {
			other := "nothing"
			if i < len(g) {
				other = strings.TrimSpace(g[i])
			}
			return fmt.Sprintf("wanted %s, got %s", strings.TrimSpace(line), other)
		}
	}
	return "wanted less"
}

func (c *checker) status() {
	want := ""
	var at workflows.Place
	if _, e, place := c.field("status"); e != nil {
		want, at = e.Spec.Status, place
	}
	if want == "" {
		if _, e, _ := c.field("error"); e != nil || c.o.status == string(schema.RunSucceeded) {
			return
		}
		// Who says nothing of a failure expects none.
		want, at = string(schema.RunSucceeded), c.tc.Place
	}
	if want != c.o.status {
		why := ""
		if c.o.err != nil {
			why = fmt.Sprintf(" (%s: %s)", c.o.err.Type, c.o.err.Message)
			if c.o.err.Step != "" {
				why = fmt.Sprintf(" (step %s, %s: %s)", c.o.err.Step, c.o.err.Type, c.o.err.Message)
			}
		}
		c.failed = append(c.failed, Failure{Diagnostic: at.Finding("expect", "", "the run %s, but should %s%s", ended(c.o.status), should(want), why), Want: want, Got: c.o.status})
	}
}

// ended is a status in a sentence.
func ended(status string) string {
	switch status {
	case "canceled", "refused", "ignored", "skipped":
		return "was " + status
	}
	return status
}

// should is the status that was wanted, in a sentence.
func should(status string) string {
	switch status {
	case "none":
		return "not have been reached"
	case "canceled", "refused", "ignored", "skipped":
		return "have been " + status
	}
	return "have " + status
}

func (c *checker) value(name string, got any, part bool) {
	if v, _, at := c.field(name); v != nil {
		c.same(v, got, part, at, name)
	}
}

// span compares a length of time.
func (c *checker) span(want *workflows.Value, got time.Duration, at workflows.Place, what string) {
	if actual(want) {
		c.same(want, got.Seconds(), false, at, what)
		return
	}
	one := func(v *workflows.Value) (time.Duration, bool) {
		x, err := v.Eval(c.scope)
		if err == nil {
			var d time.Duration
			if d, err = workflows.ToDuration(x); err == nil {
				return d, true
			}
		}
		c.failed = append(c.failed, failureOf(at, err))
		return 0, false
	}
	if names, ok := want.Object(); ok {
		for _, name := range names {
			d, ok := one(want.Field(name))
			if ok && (name == "min" && got < d || name == "max" && got > d) {
				c.failed = append(c.failed, Failure{Diagnostic: at.Finding("expect", "", "%s %s, wanted %s %s", what, durationText(got),
					map[string]string{"min": "at least", "max": "at most"}[name], durationText(d)), Want: durationText(d), Got: durationText(got)})
			}
		}
		return
	}
	if d, ok := one(want); ok && d != got {
		c.failed = append(c.failed, Failure{Diagnostic: at.Finding("expect", "", "%s %s, wanted %s", what, durationText(got), durationText(d)),
			Want: durationText(d), Got: durationText(got)})
	}
}

// found are the steps of a name: an id may stand for several, in a loop.
func (c *checker) found(name string) []*Step {
	var out []*Step
	for _, s := range c.o.result.Steps {
		if name == s.Path || s.Kind != interpret.KindItem && (named(name, s.Path) || s.ID == name) {
			out = append(out, s)
		}
	}
	return out
}

func (c *checker) steps() {
	seen := map[string]bool{}
	for _, e := range []*workflows.TestExpect{c.tc.Expect.Own, c.tc.Expect.Shared} {
		if e == nil {
			continue
		}
		names, _ := e.Value.Field("steps").Object()
		for _, name := range names {
			if !seen[name] {
				seen[name] = true
				c.step(name, e.Spec.Steps[name], e.Value.Field("steps").Field(name), e.Place.Field("steps").Field(name))
			}
		}
	}
}

func (c *checker) step(name string, want schema.TestStepExpect, v *workflows.Value, at workflows.Place) {
	found := c.found(name)
	if len(found) == 0 {
		if want.Status != "none" {
			c.fail(at, "step %s was never reached", name)
		}
		return
	}
	for _, s := range found {
		what := "step " + s.Path
		if want.Status != "" && want.Status != string(s.Status) {
			why := ""
			if s.Error != nil {
				why = fmt.Sprintf(" (%s: %s)", s.Error.Type, s.Error.Message)
			}
			c.failed = append(c.failed, Failure{Diagnostic: at.Field("status").Finding("expect", "", "%s %s, but should %s%s", what, ended(string(s.Status)), should(want.Status), why),
				Want: want.Status, Got: string(s.Status)})
		}
		for _, f := range []struct {
			name string
			got  any
			part bool
		}{{"result", decode(s.Result), false}, {"error", errorOf(s.Error), true}, {"attempts", float64(len(s.Attempts)), false}} {
			if !at.Field(f.name).There() {
				continue
			}
			wanted := v.Field(f.name)
			if wanted == nil {
				wanted = &workflows.Value{}
			}
			c.same(wanted, f.got, f.part, at.Field(f.name), what+": "+f.name)
		}
		if started := v.Field("started"); started != nil {
			c.span(started, time.Duration(s.Started), at.Field("started"), what+" began after")
		}
		if took := v.Field("duration"); took != nil {
			c.span(took, time.Duration(s.Took), at.Field("duration"), what+" took")
		}
		if want.At != nil {
			wanted, got := []any{}, []any{}
			for _, d := range want.At {
				wanted = append(wanted, d.String())
			}
			for _, a := range s.Attempts {
				got = append(got, a.At.String())
			}
			if !equal(wanted, got) {
				c.differ(wanted, got, at.Field("at"), what+": its attempts' times")
			}
		}
	}
}

func (c *checker) ran() {
	if _, e, at := c.field("ran"); e != nil {
		var got []any
		for _, s := range c.o.result.Steps {
			if ran(s) {
				got = append(got, s.Path)
			}
		}
		var want []any
		for _, name := range e.Spec.Ran {
			want = append(want, name)
		}
		if !slices.Equal(want, got) {
			c.differ(want, got, at, "the steps that ran")
		}
	}
	if _, e, at := c.field("skipped"); e != nil {
		for i, name := range e.Spec.Skipped {
			for _, s := range c.found(name) {
				if ran(s) {
					c.fail(at.Item(i), "step %s %s, but should have been skipped", s.Path, ended(string(s.Status)))
				}
			}
		}
	}
}

// ran tells whether a step did what it does.
func ran(s *Step) bool { return s.Status != schema.StepSkipped && s.Kind != interpret.KindItem }

func (c *checker) assert() {
	for _, e := range []*workflows.TestExpect{c.tc.Expect.Shared, c.tc.Expect.Own} {
		if e == nil {
			continue
		}
		for i, cond := range e.Assert {
			at := e.Place.Field("assert").Item(i)
			yes, err := cond.EvalBool(c.scope)
			switch {
			case err != nil:
				c.failed = append(c.failed, failureOf(at, err))
			case !yes:
				c.fail(at, "this is false: %s", e.Spec.Assert[i])
			}
		}
	}
}
