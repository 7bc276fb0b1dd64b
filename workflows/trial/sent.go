package trial

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

// sorted are requests in the order in which they left.
func sorted(list []*Request) []*Request {
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b *Request) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	return out
}

// requests compares what left with what is expected, one by one.
func (c *checker) requests() {
	v, e, at := c.field("requests")
	if e == nil {
		return
	}
	got := c.o.result.Requests
	for i := range e.Spec.Requests {
		if i >= len(got) {
			break
		}
		c.request(&e.Spec.Requests[i], v.Item(i), got[i], at.Item(i), fmt.Sprintf("request %d (%s %s)", i+1, got[i].Method, got[i].URL))
	}
	c.count("request", len(e.Spec.Requests), len(got), at, func(i int) string {
		return fmt.Sprintf("%s: %s %s", got[i].Step, got[i].Method, got[i].URL)
	})
}

// count fails when there are more or fewer than are expected, and names those
// that are too many.
func (c *checker) count(thing string, want, got int, at workflows.Place, name func(int) string) {
	if want == got {
		return
	}
	plural := func(n int) string {
		if n == 1 {
			return "1 " + thing
		}
		return fmt.Sprintf("%d %ss", n, thing)
	}
	message := fmt.Sprintf("wanted %s, got %d", plural(want), got)
	if got > want {
		var more []string
		for i := want; i < got && i < want+5; i++ {
			more = append(more, name(i))
		}
		message += "; not expected: " + strings.Join(more, ", ")
	} else {
		at = at.Item(got)
	}
	c.failed = append(c.failed, Failure{Diagnostic: at.Finding("expect", "", "%s", message), Want: fmt.Sprint(want), Got: fmt.Sprint(got)})
}

func (c *checker) request(want *schema.TestRequestExpect, v *workflows.Value, got *Request, at workflows.Place, what string) {
	for _, f := range []struct {
		name, want, got string
		ok              bool
	}{
		{"step", want.Step, got.Step, want.Step == "" || want.Step == got.id || named(want.Step, got.Step)},
		{"workflow", want.Workflow, got.Workflow, want.Workflow == "" || want.Workflow == got.Workflow},
		{"attempt", fmt.Sprint(want.Attempt), fmt.Sprint(got.Attempt), want.Attempt == 0 || want.Attempt == got.Attempt},
		{"method", strings.ToUpper(want.Method), got.Method, want.Method == "" || strings.EqualFold(want.Method, got.Method)},
	} {
		if !f.ok {
			c.differ(f.want, f.got, at.Field(f.name), what+": "+f.name)
		}
	}
	if u := v.Field("url"); u != nil {
		c.url(u, got, at.Field("url"), what)
	}
	headers := map[string]any{}
	for name, value := range got.Headers {
		headers[name] = value
	}
	for _, f := range []struct {
		name string
		got  any
		part bool
	}{{"query", got.Query, false}, {"headers", headers, true}, {"body", got.Body, false}} {
		if !at.Field(f.name).There() {
			continue
		}
		wanted := v.Field(f.name)
		if wanted == nil {
			wanted = &workflows.Value{}
		}
		c.same(wanted, f.got, f.part, at.Field(f.name), what+": "+f.name)
	}
	if when := v.Field("at"); when != nil {
		c.span(when, time.Duration(got.At), at.Field("at"), what+" left after")
	}
}

func (c *checker) url(want *workflows.Value, got *Request, at workflows.Place, what string) {
	if actual(want) {
		c.same(want, got.URL, false, at, what+": url")
		return
	}
	pattern, err := want.EvalString(c.scope)
	if err != nil {
		c.failed = append(c.failed, failureOf(at, err))
		return
	}
	if !matchURL(pattern, got.URL) {
		address := got.URL
		if !strings.Contains(pattern, "?") {
			address, _, _ = strings.Cut(address, "?")
		}
		c.differ(pattern, address, at, what+": url")
	}
}

func (c *checker) events() {
	v, e, at := c.field("events")
	if e == nil {
		return
	}
	got := c.o.result.Events
	for i := range min(len(e.Spec.Events), len(got)) {
		what := fmt.Sprintf("event %d", i+1)
		c.same(v.Item(i).Field("event"), got[i].Event, false, at.Item(i).Field("event"), what)
		if at.Item(i).Field("data").There() {
			wanted := v.Item(i).Field("data")
			if wanted == nil {
				wanted = &workflows.Value{}
			}
			c.same(wanted, got[i].Data, false, at.Item(i).Field("data"), what+" ("+got[i].Event+"): data")
		}
	}
	c.count("event", len(e.Spec.Events), len(got), at, func(i int) string { return got[i].Event })
}

func (c *checker) calls() {
	v, e, at := c.field("calls")
	if e == nil {
		return
	}
	got := c.o.result.Calls
	for i := range min(len(e.Spec.Calls), len(got)) {
		what := fmt.Sprintf("call %d", i+1)
		if want := e.Spec.Calls[i].Workflow; want != got[i].Workflow {
			c.differ(want, got[i].Workflow, at.Item(i).Field("workflow"), what+": workflow")
		}
		if at.Item(i).Field("input").There() {
			wanted := v.Item(i).Field("input")
			if wanted == nil {
				wanted = &workflows.Value{}
			}
			c.same(wanted, got[i].Input, false, at.Item(i).Field("input"), what+" ("+got[i].Workflow+"): input")
		}
	}
	c.count("call", len(e.Spec.Calls), len(got), at, func(i int) string { return got[i].Workflow })
}
