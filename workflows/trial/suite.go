package trial

import (
	"context"
	"encoding/json"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/function"
	"paragon/workflows/interpret"
)

// Suite is what is run together.
type Suite struct {
	Tests []*workflows.Test
	// Workflows are those under test and those that they call, by name.
	Workflows map[string]*workflows.Workflow
	// Integrations are those whose documents came along, by name. Requests to any
	// other one go to https://NAME.integration.test.
	Integrations map[string]*workflows.Integration
	// Only selects cases by their names (test/case); nil takes all.
	Only *regexp.Regexp
	// Sandbox executes functions.
	Sandbox *function.Sandbox
	// Parallel is how many cases run at the same time; 0 takes the number of CPUs.
	Parallel int
}

// Run runs the cases and returns how each went, in the order of the documents.
// When ctx ends before, those that were not run are left out.
func (s *Suite) Run(ctx context.Context) []*Result {
	type job struct {
		test *workflows.Test
		tc   *workflows.TestCase
	}
	var jobs []job
	for _, t := range s.Tests {
		for i := range t.Cases {
			if s.Only == nil || s.Only.MatchString(caseName(t, &t.Cases[i])) {
				jobs = append(jobs, job{t, &t.Cases[i]})
			}
		}
	}
	results := make([]*Result, len(jobs))
	width := s.Parallel
	if width <= 0 {
		width = runtime.GOMAXPROCS(0)
	}
	turns := make(chan int)
	var workers sync.WaitGroup
	for range min(width, len(jobs)) {
		workers.Go(func() {
			for i := range turns {
				results[i] = s.one(ctx, jobs[i].test, jobs[i].tc)
			}
		})
	}
	for i := range jobs {
		if ctx.Err() != nil {
			break
		}
		turns <- i
	}
	close(turns)
	workers.Wait()
	done := results[:0]
	for _, r := range results {
		if r != nil && ctx.Err() == nil {
			done = append(done, r)
		}
	}
	return done
}

func caseName(t *workflows.Test, tc *workflows.TestCase) string {
	if tc.Name == "" {
		return t.Name
	}
	return t.Name + "/" + tc.Name
}

// one runs a case. A panic in it is a failure of the case.
func (s *Suite) one(ctx context.Context, t *workflows.Test, tc *workflows.TestCase) (r *Result) {
	began := time.Now()
	at := tc.Place.Finding("", "", "")
	r = &Result{Test: t.Name, Case: tc.Name, File: at.File, Line: at.Line, Workflow: t.Spec.Workflow,
		Failures: []Failure{}, Steps: []*Step{}, Requests: []*Request{}, Events: []Emitted{}, Calls: []Called{}}
	defer func() {
		if p := recover(); p != nil {
			r.Failures = append(r.Failures, Failure{Diagnostic: tc.Place.Finding("internal", "", "the test can't be run: %v", p)})
		}
		r.Passed = len(r.Failures) == 0
		r.Took = schema.Duration(time.Since(began))
	}()
	wf := s.Workflows[t.Spec.Workflow]
	if wf == nil {
		r.Failures = append(r.Failures, Failure{Diagnostic: unknownWorkflow(t)})
		return r
	}
	if bad := Bind(t, tc, s.Workflows); len(bad) > 0 {
		for _, d := range bad {
			r.Failures = append(r.Failures, Failure{Diagnostic: d})
		}
		return r
	}
	g, err := give(*tc, wf)
	if err != nil {
		r.Failures = append(r.Failures, failureOf(tc.Place.Field("given"), err))
		return r
	}
	w := newWorld(ctx, s, g)
	o := w.start(wf, r)
	if o == nil || len(w.broken) > 0 {
		for _, f := range w.broken {
			r.Failures = append(r.Failures, placed(f, tc))
		}
		return r
	}
	r.Failures = append(r.Failures, o.check(*tc)...)
	return r
}

// placed gives a failure that has no place that of its case.
func placed(f Failure, tc *workflows.TestCase) Failure {
	if f.File == "" {
		at := tc.Place.Finding(f.Code, f.Suggestion, "%s", f.Message)
		f.Diagnostic = at
	}
	return f
}

// outcome is what a case came to.
type outcome struct {
	w        *world
	result   *Result
	status   string
	input    any
	output   any
	err      *schema.RunError
	response any
	duration time.Duration
	main     *run // nil for a run that did not start
}

// start starts the run as the server does, and follows it to its end. It is nil
// when the case can't go on.
func (w *world) start(wf *workflows.Workflow, r *Result) *outcome {
	o := &outcome{w: w, result: r, input: w.given.input}
	trigger := schema.Trigger{Kind: "manual", Time: w.given.now}
	var body json.RawMessage
	if t := w.given.trigger; t != nil {
		trigger = triggerOf(wf.Triggers[t.ID], t, w.given)
		var err error
		if body, err = json.Marshal(w.given.triggerBody); err != nil {
			w.stop(broken("internal", err.Error(), ""))
			return nil
		}
	}
	if why, err := w.given.settle(wf, trigger, body); err != nil {
		return o.refused(r, "spec.users.allow can't be evaluated: "+err.Error())
	} else if why != "" {
		return o.refused(r, why)
	}
	if t := w.given.trigger; t != nil {
		who := interpret.Person{User: w.given.user, Settings: w.given.settings}
		raw, wanted, err := interpret.TriggerInput(wf.Triggers[t.ID], trigger, body, who)
		switch {
		case err != nil:
			return o.refused(r, err.Error())
		case !wanted:
			o.status = "ignored"
			r.Status = o.status
			return o
		}
		o.input = decode(raw)
		w.given.vars["input"] = o.input
	}
	o.input = plain(o.input)
	if wrong := wf.CheckInput(o.input); len(wrong) > 0 {
		return o.refused(r, "the input breaks the schema: "+inOneLine(wrong))
	}
	o.main = w.newRun(w.given.id, wf, o.input, trigger)
	w.run(o.main)
	r.runs = w.runs
	r.Steps = append(r.Steps, o.main.order...)
	r.Requests = append(r.Requests, sorted(w.requests)...)
	r.Events = append(r.Events, w.emitted...)
	r.Calls = append(r.Calls, w.calls...)
	if w.stopped() || o.main.end == nil {
		return nil
	}
	end := o.main.end
	o.status, o.output, o.err, o.response = string(end.Status), decode(end.Output), end.Error, o.main.response
	o.duration = o.main.ended.Sub(o.main.created)
	r.Status, r.Output, r.Error, r.Duration = o.status, end.Output, end.Error, schema.Duration(o.duration)
	return o
}

func (o *outcome) refused(r *Result, message string) *outcome {
	o.status, o.err = "refused", &schema.RunError{Type: "input", Message: message}
	r.Status, r.Error = o.status, o.err
	return o
}

// triggerOf is the trigger of the run as the server would note it.
func triggerOf(compiled *workflows.Trigger, t *schema.TestTrigger, g *given) schema.Trigger {
	out := schema.Trigger{ID: t.ID, Actor: t.Actor, Time: g.now}
	switch {
	case compiled.Spec.Webhook != nil:
		out.Kind, out.Method, out.Query = "webhook", t.Method, t.Query
		out.Headers = make(map[string]string, len(t.Headers))
		for name, value := range t.Headers {
			out.Headers[strings.ToLower(name)] = value
		}
		if out.Method == "" {
			out.Method = "POST"
		}
	case compiled.Spec.Event != nil:
		out.Kind, out.Event = "event", compiled.Spec.Event.Name
		out.Data, _ = json.Marshal(g.triggerBody) // it came from YAML
	case compiled.Spec.Cron != nil:
		out.Kind = "cron"
	default:
		out.Kind = "manual"
	}
	return out
}
