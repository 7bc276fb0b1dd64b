package workflows

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/expr-lang/expr/checker/nature"

	"paragon/schema"
)

// Test is a checked, compiled WorkflowTest.
type Test struct {
	Name  string
	Spec  *schema.WorkflowTestSpec
	Cases []TestCase
	// Place is that of the spec.
	Place Place
}

// TestCase is one run of a Test. What the document gives and expects is in
// Shared, what the case adds in Own; each may be nil.
type TestCase struct {
	Name   string
	Values map[string]any
	Given  struct{ Shared, Own *TestGiven }
	Expect struct{ Shared, Own *TestExpect }
	Place  Place
}

// TestGiven is a compiled schema.TestGiven.
type TestGiven struct {
	Spec  *schema.TestGiven
	Place Place
	// Value is all of it, with what is a template compiled.
	Value *Value
	// RequestIf and CallIf are the conditions of the mocks, nil for none.
	RequestIf, CallIf []*Value
}

// TestExpect is a compiled schema.TestExpect.
type TestExpect struct {
	Spec  *schema.TestExpect
	Place Place
	Value *Value
	// Assert are the conditions.
	Assert []*Value
}

// TestNames are the names that the expressions of a test may use: those of
// given, of the conditions and answers of mocks, and of what is expected.
var (
	testGivenNames  = []string{"case"}
	testMockNames   = []string{"case", "input", "request", "actual", "secrets", "user", "settings"}
	testCallNames   = []string{"case", "input", "call", "secrets", "user", "settings"}
	testExpectNames = []string{"case", "input", "status", "output", "response", "error", "steps", "attempts", "requests", "events",
		"calls", "took", "secrets", "user", "settings", "actual", "run"}
)

func testEnvironment(names []string, missing string) *environment {
	fields := map[string]nature.Nature{}
	for _, n := range names {
		fields[n] = anyNature
	}
	e := newEnvironment(fields)
	e.reasons = map[string]string{}
	for _, list := range [][]string{testMockNames, testCallNames, testExpectNames} {
		for _, n := range list {
			if _, ok := fields[n]; !ok {
				e.reasons[n] = missing
			}
		}
	}
	return e
}

// CompileTest checks and compiles a test. The test is nil when any finding is an
// error.
func (d *Document) CompileTest() (*Test, Diagnostics) {
	t, diags := d.compileTest()
	if diags.HasErrors() {
		return nil, diags
	}
	return t, diags
}

func (d *Document) compileTest() (*Test, Diagnostics) {
	c := &testCompiler{compiler: newCompiler(d.Resource.Metadata.Name, &schema.WorkflowSpec{}, d)}
	c.given = testEnvironment(testGivenNames, "the run has not begun")
	c.mock = testEnvironment(testMockNames, "the run has not ended")
	c.call = testEnvironment(testCallNames, "the run has not ended")
	c.expect = testEnvironment(testExpectNames, "it is there only in mocks")
	t := &Test{Name: d.Resource.Metadata.Name, Spec: d.Test, Place: Place{d, specPath}}
	c.resourceName(d.Test.Workflow, specPath.field("workflow"))
	shared := c.givenOf(d.Test.Given, specPath.field("given"))
	expected := c.expectOf(d.Test.Expect, specPath.field("expect"))
	seen := map[string]int{}
	for i := range d.Test.Cases {
		spec, at := &d.Test.Cases[i], specPath.field("cases").item(i)
		if first, twice := seen[spec.Name]; twice && spec.Name != "" {
			c.fail(at.field("name"), "duplicate-id", "", "there is another case %q (cases[%d])", spec.Name, first)
		}
		seen[spec.Name] = i
		tc := TestCase{Name: spec.Name, Values: spec.Values, Place: Place{d, at}}
		tc.Given.Shared, tc.Given.Own = shared, c.givenOf(spec.Given, at.field("given"))
		tc.Expect.Shared, tc.Expect.Own = expected, c.expectOf(spec.Expect, at.field("expect"))
		if expected == nil && spec.Expect == nil {
			c.fail(at, "missing-field", "add expect: {status: succeeded}", "nothing is expected of this case")
		}
		t.Cases = append(t.Cases, tc)
	}
	if len(d.Test.Cases) == 0 {
		tc := TestCase{Place: t.Place}
		tc.Given.Shared, tc.Expect.Shared = shared, expected
		t.Cases = []TestCase{tc}
		if expected == nil {
			c.fail(specPath, "missing-field", "add expect: {status: succeeded}, or cases", "nothing is expected of this test")
		}
	}
	c.diags.order()
	return t, c.diags
}

type testCompiler struct {
	*compiler
	given, mock, call, expect *environment
}

// fields compiles some fields of a plain object, in the order given.
func (c *testCompiler) fields(p *path, env *environment, pairs ...any) []valueField {
	var out []valueField
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		if pairs[i+1] == "" && (name == "url" || name == "text" || name == "event") {
			continue // not set
		}
		if v := c.value(pairs[i+1], p.field(name), env); v.kind != literalValue || v.literal != nil {
			out = append(out, valueField{name, v})
		}
	}
	return out
}

// object is a value of fields, which are sorted by name.
func object(fields ...valueField) *Value { return &Value{kind: mapValue, fields: fields} }

func (c *testCompiler) givenOf(g *schema.TestGiven, p *path) *TestGiven {
	if g == nil {
		return nil
	}
	out := &TestGiven{Spec: g, Place: Place{c.doc, p}}
	if g.Now != "" {
		if _, err := time.Parse(time.RFC3339, g.Now); err != nil {
			c.fail(p.field("now"), "invalid-value", "write it like 2026-01-01T00:00:00Z", "%q is not a time", g.Now)
		}
	}
	if t := g.Trigger; t != nil && g.Input != nil {
		c.fail(p.field("input"), "one-of", "write it as trigger.body", "a run has input or a trigger, not both")
	}
	fields := []valueField{}
	calls := &Value{kind: listValue}
	for i := range g.Calls {
		at := p.field("calls").item(i)
		out.CallIf = append(out.CallIf, c.test(g.Calls[i].If, at.field("if"), c.call))
		c.resourceName(g.Calls[i].Workflow, at.field("workflow"))
		calls.list = append(calls.list, object(c.fields(at, c.call, "output", g.Calls[i].Output)...))
		if g.Calls[i].Error != nil && g.Calls[i].Output != nil {
			c.fail(at, "one-of", "", "a called run has output or error, not both")
		}
	}
	events := &Value{kind: listValue}
	for i := range g.Events {
		events.list = append(events.list, object(c.fields(p.field("events").item(i), c.given, "data", g.Events[i].Data)...))
	}
	requests := &Value{kind: listValue}
	for i := range g.Requests {
		at := p.field("requests").item(i)
		m := &g.Requests[i]
		var cond *Value
		if m.Match != nil {
			cond = c.test(m.Match.If, at.field("match").field("if"), c.mock)
		}
		out.RequestIf = append(out.RequestIf, cond)
		requests.list = append(requests.list, c.requestMock(m, at))
	}
	trigger := &Value{}
	if g.Trigger != nil {
		trigger = object(c.fields(p.field("trigger"), c.given, "body", g.Trigger.Body)...)
	}
	fields = append(fields, valueField{"calls", calls}, valueField{"events", events},
		valueField{"input", c.value(g.Input, p.field("input"), c.given)},
		valueField{"requests", requests},
		valueField{"settings", c.value(anyOf(g.Settings), p.field("settings"), c.given)},
		valueField{"trigger", trigger},
		valueField{"user", c.value(anyOf(g.User), p.field("user"), c.given)})
	out.Value = object(fields...)
	return out
}

// anyOf is a map as a value, nil for none.
func anyOf(m map[string]any) any {
	if m == nil {
		return nil
	}
	return m
}

func (c *testCompiler) requestMock(m *schema.TestRequestMock, p *path) *Value {
	answers := []schema.TestAnswer{}
	at := func(int) *path { return p.field("respond") }
	switch {
	case m.Respond != nil && m.Responses != nil:
		c.fail(p, "one-of", "", "a mock has respond or responses, not both")
	case m.Respond != nil:
		answers = append(answers, *m.Respond)
	case len(m.Responses) > 0:
		answers = m.Responses
		at = func(i int) *path { return p.field("responses").item(i) }
	default:
		c.fail(p, "missing-field", "add respond: {status: 200}", "the mock says no answer")
	}
	list := &Value{kind: listValue}
	for i := range answers {
		list.list = append(list.list, c.answer(&answers[i], at(i)))
	}
	match := &Value{}
	if s := m.Match; s != nil {
		match = object(c.fields(p.field("match"), c.mock, "body", s.Body, "headers", anyOf(s.Headers), "query", anyOf(s.Query), "url", s.URL)...)
	}
	return object(valueField{"match", match}, valueField{"responses", list})
}

func (c *testCompiler) answer(a *schema.TestAnswer, p *path) *Value {
	set := 0
	for _, has := range []bool{(Place{c.doc, p.field("body")}).There(), a.Text != "", a.Base64 != "", a.Error != ""} {
		if has {
			set++
		}
	}
	if set > 1 {
		c.fail(p, "one-of", "", "an answer has one of body, text, base64 and error")
	}
	if _, err := base64.StdEncoding.DecodeString(a.Base64); err != nil {
		c.fail(p.field("base64"), "invalid-value", "", "this is not base64")
	}
	return object(c.fields(p, c.mock, "body", a.Body, "headers", anyOf(a.Headers), "text", a.Text)...)
}

func (c *testCompiler) expectOf(e *schema.TestExpect, p *path) *TestExpect {
	if e == nil {
		return nil
	}
	out := &TestExpect{Spec: e, Place: Place{c.doc, p}}
	for i, text := range e.Assert {
		at := p.field("assert").item(i)
		cond := c.test(text, at, c.expect)
		if cond == nil {
			cond, _ = c.condition(text, at, c.expect) // it is empty, which is reported
		}
		out.Assert = append(out.Assert, cond)
	}
	calls := &Value{kind: listValue}
	for i := range e.Calls {
		calls.list = append(calls.list, object(c.fields(p.field("calls").item(i), c.expect, "input", e.Calls[i].Input)...))
	}
	events := &Value{kind: listValue}
	for i := range e.Events {
		x := &e.Events[i]
		events.list = append(events.list, object(c.fields(p.field("events").item(i), c.expect, "data", x.Data, "event", x.Event)...))
	}
	requests := &Value{kind: listValue}
	for i := range e.Requests {
		r, at := &e.Requests[i], p.field("requests").item(i)
		c.span(r.At, at.field("at"))
		requests.list = append(requests.list, object(c.fields(at, c.expect,
			"at", r.At, "body", r.Body, "headers", anyOf(r.Headers), "query", anyOf(r.Query), "url", r.URL)...))
	}
	c.span(e.Duration, p.field("duration"))
	steps := object()
	for _, name := range sortedKeys(e.Steps) {
		s, at := e.Steps[name], p.field("steps").field(name)
		c.span(s.Duration, at.field("duration"))
		c.span(s.Started, at.field("started"))
		steps.fields = append(steps.fields, valueField{name, object(c.fields(at, c.expect,
			"attempts", s.Attempts, "duration", s.Duration, "error", anyOf(s.Error), "result", s.Result, "started", s.Started)...)})
	}
	out.Value = object(
		valueField{"calls", calls}, valueField{"duration", c.value(e.Duration, p.field("duration"), c.expect)},
		valueField{"error", c.value(anyOf(e.Error), p.field("error"), c.expect)}, valueField{"events", events},
		valueField{"output", c.value(e.Output, p.field("output"), c.expect)}, valueField{"requests", requests},
		valueField{"response", c.value(anyOf(e.Response), p.field("response"), c.expect)}, valueField{"steps", steps})
	c.known(e.Error, p.field("error"), "type", "message", "step", "status")
	c.known(e.Response, p.field("response"), "status", "headers", "body")
	for _, name := range sortedKeys(e.Steps) {
		c.known(e.Steps[name].Error, p.field("steps").field(name).field("error"), "type", "message", "status")
	}
	return out
}

// known refuses the fields that an object can't have.
func (c *testCompiler) known(m map[string]any, p *path, names ...string) {
	for _, k := range sortedKeys(m) {
		found := false
		for _, n := range names {
			found = found || n == k
		}
		if !found {
			c.fail(p.field(k), "unknown-field", didYouMean(k, names), "unknown field %q", k)
		}
	}
}

// span checks a length of time that is expected.
func (c *testCompiler) span(v any, p *path) {
	bad := func(p *path, text any) {
		c.fail(p, "invalid-value", "write a duration such as 10s, or {min: 9s, max: 11s}", "%v is not a length of time", text)
	}
	one := func(v any, p *path) {
		if s, ok := v.(string); ok {
			if pieces, err := split(s); err == nil && len(pieces) == 1 && pieces[0].expr {
				return
			}
			if _, err := schema.ParseDuration(s); err == nil {
				return
			}
		}
		bad(p, v)
	}
	switch v := v.(type) {
	case nil:
	case map[string]any:
		c.known(v, p, "min", "max")
		for _, k := range sortedKeys(v) {
			if k == "min" || k == "max" {
				one(v[k], p.field(k))
			}
		}
	case string:
		one(v, p)
	default:
		bad(p, fmt.Sprint(v))
	}
}
