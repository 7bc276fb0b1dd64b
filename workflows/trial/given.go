package trial

import (
	"maps"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

// defaultNow is when a run starts whose test does not say.
var defaultNow = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// given is what one case gives: that of the document with the case's own laid
// over.
type given struct {
	now            time.Time
	id             string
	input          any
	trigger        *schema.TestTrigger
	triggerBody    any
	secrets        map[string]any
	settings, user any
	requests       []*requestMock
	calls          []*callMock
	events         []givenEvent
	cancel         *schema.TestCancel
	cancelPlace    workflows.Place
	vars           map[string]any // what the expressions of the test see always
}

type givenEvent struct {
	schema.TestEvent
	data  any
	place workflows.Place
}

// give lays out what a case gives. The error is that of an expression.
func give(tc workflows.TestCase, wf *workflows.Workflow) (*given, error) {
	g := &given{now: defaultNow, id: "test", secrets: map[string]any{}, vars: map[string]any{"case": anyMap(tc.Values)}}
	scope := &workflows.Scope{Vars: g.vars, Now: defaultNow, Seed: "given"}
	for _, name := range wf.Secrets {
		g.secrets[name] = name
	}
	for _, part := range []*workflows.TestGiven{tc.Given.Shared, tc.Given.Own} {
		if part == nil {
			continue
		}
		if err := g.lay(part, scope); err != nil {
			return nil, err
		}
	}
	// The case's own mocks are asked first.
	for _, part := range []*workflows.TestGiven{tc.Given.Own, tc.Given.Shared} {
		if part == nil {
			continue
		}
		for i := range part.Spec.Requests {
			g.requests = append(g.requests, &requestMock{
				spec: &part.Spec.Requests[i], value: part.Value.Field("requests").Item(i), cond: part.RequestIf[i],
				place: part.Place.Field("requests").Item(i),
			})
		}
		for i := range part.Spec.Calls {
			g.calls = append(g.calls, &callMock{
				spec: &part.Spec.Calls[i], value: part.Value.Field("calls").Item(i), cond: part.CallIf[i],
				place: part.Place.Field("calls").Item(i),
			})
		}
	}
	g.vars["input"], g.vars["secrets"], g.vars["user"], g.vars["settings"] = g.input, g.secrets, g.user, g.settings
	return g, nil
}

// lay lays a part over what is there.
func (g *given) lay(part *workflows.TestGiven, scope *workflows.Scope) error {
	spec := part.Spec
	if spec.Now != "" {
		now, err := time.Parse(time.RFC3339, spec.Now)
		if err != nil {
			return err
		}
		g.now = now.UTC()
	}
	if spec.ID != "" {
		g.id = spec.ID
	}
	if spec.Cancel != nil {
		g.cancel, g.cancelPlace = spec.Cancel, part.Place.Field("cancel")
	}
	for name, value := range spec.Secrets {
		g.secrets[name] = value
	}
	for _, f := range []struct {
		name string
		to   *any
	}{{"input", &g.input}, {"settings", &g.settings}, {"user", &g.user}} {
		if !part.Place.Field(f.name).There() {
			continue
		}
		v, err := part.Value.Field(f.name).Eval(scope)
		if err != nil {
			return err
		}
		*f.to = over(*f.to, plain(v)) // numbers as JSON has them
	}
	if part.Place.Field("input").There() {
		g.trigger = nil
	}
	if spec.Trigger != nil {
		body, err := part.Value.Field("trigger").Field("body").Eval(scope)
		if err != nil {
			return err
		}
		g.trigger, g.triggerBody, g.input = spec.Trigger, body, nil
	}
	for i := range spec.Events {
		data, err := part.Value.Field("events").Item(i).Field("data").Eval(scope)
		if err != nil {
			return err
		}
		g.events = append(g.events, givenEvent{TestEvent: spec.Events[i], data: data, place: part.Place.Field("events").Item(i)})
	}
	return nil
}

// over lays the fields of an object over another; anything else takes its place.
func over(below, above any) any {
	a, ok1 := below.(map[string]any)
	b, ok2 := above.(map[string]any)
	if !ok1 || !ok2 {
		return above
	}
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func anyMap(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// scope is what the expressions of a test see: what is always there, and more.
func (g *given) scope(now time.Time, more map[string]any) *workflows.Scope {
	vars := maps.Clone(g.vars)
	maps.Copy(vars, more)
	return &workflows.Scope{Vars: vars, Now: now, Seed: g.id + "/test"}
}
