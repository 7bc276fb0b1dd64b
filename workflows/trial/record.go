package trial

import (
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strings"
	"time"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

// hidden is what a server shows in place of a secret.
const hidden = "***"

// Record makes a test of a run that a server knows: it gives what the run got
// from outside, and expects what came of it. notes say what a record can't hold.
func Record(run *schema.Run, steps []schema.StepRecord, wf *workflows.Workflow) (spec schema.WorkflowTestSpec, notes []string) {
	r := &recorder{run: run, wf: wf, whole: ordered(wf)}
	spec = schema.WorkflowTestSpec{
		Description: fmt.Sprintf("Recorded from run %s, revision %d", run.ID, run.Revision),
		Workflow:    run.Workflow, Given: r.given(steps), Expect: r.expect(steps),
	}
	return spec, r.notes
}

// ordered tells whether the requests of every run of the workflow leave one by
// one: no pages, tokens or steps at the same time.
func ordered(wf *workflows.Workflow) bool {
	yes := true
	eachStep(wf, func(s *workflows.Step) {
		switch {
		case s.Kind == workflows.StepParallel, s.Pages != nil:
			yes = false
		case s.Kind == workflows.StepForEach:
			yes = yes && s.Spec.ForEach.Parallelism <= 1
		case s.Kind == workflows.StepRequest:
			yes = yes && (s.Spec.Request.Auth == nil || s.Spec.Request.Auth.OAuth2 == nil)
		}
	})
	return yes
}

type recorder struct {
	run   *schema.Run
	wf    *workflows.Workflow
	notes []string
	// whole says that the requests of the record are all that left, in an order
	// that a test repeats.
	whole bool
}

func (r *recorder) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *recorder) given(steps []schema.StepRecord) *schema.TestGiven {
	// The id decides jitter and what else is drawn, the time what now() is.
	g := &schema.TestGiven{ID: r.run.ID, Now: r.run.CreatedAt.UTC().Format(time.RFC3339), Input: r.value(r.run.Input)}
	if strings.Contains(string(r.run.Input), hidden) {
		r.note("the input holds a secret, which the server does not show: write a made-up one")
	}
	if t := r.run.Trigger; t.Kind == "event" && r.wf.Triggers[t.ID] != nil {
		g.Trigger, g.Input = &schema.TestTrigger{ID: t.ID, Body: r.value(t.Data), Actor: t.Actor}, nil
	}
	if len(r.wf.Secrets) > 0 {
		g.Secrets = map[string]string{}
		for _, name := range r.wf.Secrets {
			g.Secrets[name] = "test-" + strings.ToLower(name)
		}
	}
	for i := range steps {
		s := &steps[i]
		switch s.Kind {
		case string(workflows.StepRequest):
			if mock, ok := r.request(s); ok {
				g.Requests = append(g.Requests, mock)
			}
		case string(workflows.StepCall):
			r.call(g, s)
		case string(workflows.StepWaitFor):
			r.event(g, s)
		case string(interpret.KindChunk):
			r.note("the loop %s was spread over runs of chunks: their requests are not in this run", s.Path)
		}
	}
	if r.run.Status == schema.RunCanceled && r.run.EndedAt != nil {
		g.Cancel = &schema.TestCancel{After: schema.Duration(r.run.EndedAt.Sub(r.run.CreatedAt).Round(time.Millisecond))}
		if r.run.Error != nil {
			g.Cancel.Reason = r.run.Error.Message
		}
	}
	return g
}

// request is a mock that answers as the far side did, attempt by attempt.
func (r *recorder) request(s *schema.StepRecord) (schema.TestRequestMock, bool) {
	mock := schema.TestRequestMock{Match: &schema.TestMatch{Step: s.Path}}
	for _, a := range s.Attempts {
		if a.Request != nil && mock.Match.Method == "" {
			mock.Match.Method = a.Request.Method
			if address, _, _ := strings.Cut(a.Request.URL, "?"); !strings.Contains(address, hidden) {
				mock.Match.URL = escape(address).(string)
			}
		}
		if answer, ok := r.answer(s.Path, a); ok {
			mock.Responses = append(mock.Responses, answer)
		}
	}
	if len(mock.Responses) == 0 {
		return mock, false
	}
	if step := r.wf.Step(s.Step); step != nil && step.Pages != nil {
		r.note("step %s follows pages, of which the server keeps the last one only", s.Path)
	}
	if len(mock.Responses) == 1 {
		mock.Respond, mock.Responses = &mock.Responses[0], nil
	}
	return mock, true
}

// noise are headers that say nothing about the answer.
var noise = []string{"date", "content-length", "connection", "server", "keep-alive", "transfer-encoding", "vary", "via", "alt-svc", "strict-transport-security"}

func (r *recorder) answer(path string, a schema.Attempt) (schema.TestAnswer, bool) {
	out := schema.TestAnswer{}
	switch {
	case a.Response == nil && a.Error == nil:
		return out, false
	case a.Response == nil:
		switch a.Error.Type {
		case "timeout", "network":
			out.Error = a.Error.Type
			return out, true
		}
		return out, false // nothing was sent
	}
	if a.Response.Status != 200 {
		out.Status = a.Response.Status
	}
	if took := a.EndedAt.Sub(a.StartedAt); took >= time.Second {
		out.Delay = schema.Duration(took.Round(time.Millisecond))
	}
	if a.Response.Truncated {
		r.note("step %s: the server kept %d of %d bytes of an answer", path, len(a.Response.Body), a.Response.Size)
	}
	media, _, _ := mime.ParseMediaType(a.Response.Headers["content-type"])
	natural := ""
	var v any
	switch {
	case a.Response.Body == "":
	case strings.HasSuffix(media, "json") && json.Unmarshal([]byte(a.Response.Body), &v) == nil && v != nil:
		out.Body, natural = escape(v), "application/json"
	default:
		out.Text, natural = escape(a.Response.Body).(string), "text/plain"
	}
	for name, value := range a.Response.Headers {
		if slices.Contains(noise, name) || strings.HasPrefix(name, "access-control-") || strings.Contains(value, hidden) || name == "content-type" && media == natural {
			continue
		}
		if out.Headers == nil {
			out.Headers = map[string]any{}
		}
		out.Headers[name] = escape(value)
	}
	return out, true
}

func (r *recorder) call(g *schema.TestGiven, s *schema.StepRecord) {
	step := r.wf.Step(s.Step)
	if step == nil || step.Spec.Call == nil || !s.Status.Ended() || s.Status == schema.StepSkipped {
		return
	}
	mock := schema.TestCallMock{Workflow: step.Spec.Call.Workflow, Step: s.Path, After: schema.Duration(s.EndedAt.Sub(s.StartedAt).Round(time.Millisecond))}
	if s.Error != nil {
		mock.Error = &schema.TestFailure{Message: s.Error.Message}
		if _, why, ok := strings.Cut(s.Error.Message, " failed: "); ok {
			mock.Error.Message = why
		}
	} else {
		mock.Output = r.value(s.Result)
	}
	g.Calls = append(g.Calls, mock)
}

func (r *recorder) event(g *schema.TestGiven, s *schema.StepRecord) {
	var event struct {
		Name string
		Data json.RawMessage
	}
	if s.Status != schema.StepSucceeded || json.Unmarshal(s.Result, &event) != nil {
		return
	}
	g.Events = append(g.Events, schema.TestEvent{Event: event.Name, Data: r.value(event.Data), Waiting: s.Path,
		After: schema.Duration(max(s.EndedAt.Sub(s.StartedAt), 0).Round(time.Millisecond))})
}

func (r *recorder) expect(steps []schema.StepRecord) *schema.TestExpect {
	e := &schema.TestExpect{Status: string(r.run.Status)}
	var sent []sentAt
	if len(r.run.Output) > 0 && !strings.Contains(string(r.run.Output), hidden) {
		e.Output = r.value(r.run.Output)
	}
	if err := r.run.Error; err != nil && r.run.Status == schema.RunFailed {
		e.Error = map[string]any{"type": err.Type}
		if err.Step != "" {
			e.Error["step"] = err.Step
		}
	}
	for i := range steps {
		s := &steps[i]
		if s.Status == schema.StepSkipped {
			e.Skipped = append(e.Skipped, s.Path)
		}
		if len(s.Attempts) > 1 {
			if e.Steps == nil {
				e.Steps = map[string]schema.TestStepExpect{}
			}
			e.Steps[s.Path] = schema.TestStepExpect{Status: string(s.Status), Attempts: len(s.Attempts)}
		}
		if s.Kind != string(workflows.StepRequest) {
			continue
		}
		for _, a := range s.Attempts {
			if a.Request != nil {
				sent = append(sent, sentAt{a.StartedAt, expected(s.Path, a)})
			}
		}
	}
	if r.whole {
		slices.SortStableFunc(sent, func(a, b sentAt) int { return a.at.Compare(b.at) })
		for _, s := range sent {
			e.Requests = append(e.Requests, s.request)
		}
	}
	return e
}

type sentAt struct {
	at      time.Time
	request schema.TestRequestExpect
}

// expected is the request of an attempt, as far as the server shows it.
func expected(path string, a schema.Attempt) schema.TestRequestExpect {
	out := schema.TestRequestExpect{Step: path, Method: a.Request.Method}
	address, query, _ := strings.Cut(a.Request.URL, "?")
	if !strings.Contains(address, hidden) {
		out.URL = escape(address).(string)
	}
	if fields, err := parseQuery(query); err == nil && query != "" && !strings.Contains(query, hidden) {
		out.Query = escape(fields).(map[string]any)
	}
	if body := a.Request.Body; body != "" && !a.Request.Truncated && !strings.Contains(body, hidden) {
		if v := bodyValue([]byte(body), a.Request.Headers["content-type"]); v != nil {
			out.Body = escape(v)
		}
	}
	return out
}

// value is JSON of the run as a test writes it.
func (r *recorder) value(raw json.RawMessage) any { return escape(decode(raw)) }

// escape keeps what looks like an expression from being one.
func escape(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "${{", "$${{")
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = escape(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = escape(v[k])
		}
		return out
	}
	return v
}
