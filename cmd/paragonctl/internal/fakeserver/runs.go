package fakeserver

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// fakeRun is a run and how it goes on.
type fakeRun struct {
	schema.Run
	act   string
	looks int
}

func (s *Server) trigger(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if r.Header.Get("Content-Type") == api.ContentTypeNDJSON {
		w.Header().Set("Content-Type", api.ContentTypeNDJSON)
		enc := json.NewEncoder(w)
		scan := bufio.NewScanner(r.Body)
		for scan.Scan() {
			var req api.TriggerRequest
			line := api.TriggerLine{}
			if err := json.Unmarshal(scan.Bytes(), &req); err != nil {
				line.Error = problem(400, schema.ProblemInvalid, "not JSON")
			} else if run, err := s.start(name, req); err != nil {
				line.Error = err.(*schema.Problem)
			} else {
				line.ID = run.ID
			}
			if err := enc.Encode(line); err != nil {
				return nil
			}
		}
		return nil
	}
	var req api.TriggerRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	if req.IdempotencyKey = r.Header.Get("Idempotency-Key"); req.IdempotencyKey == "" {
		return problem(400, schema.ProblemInvalid, "paragonctl always sends an idempotency key")
	}
	run, err := s.start(name, req)
	if err != nil {
		return err
	}
	return answer(w, http.StatusAccepted, run)
}

func (s *Server) start(workflow string, req api.TriggerRequest) (*schema.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wf := s.current(schema.Ref{Kind: schema.KindWorkflow, Name: workflow})
	if wf == nil {
		return nil, problem(404, schema.ProblemNotFound, "workflow %s does not exist", workflow)
	}
	var input map[string]any
	if len(req.Input) > 0 && json.Unmarshal(req.Input, &input) == nil {
		if email, ok := input["email"]; ok && !strings.Contains(fmt.Sprint(email), "@") {
			return nil, &schema.Problem{Type: schema.ProblemInvalid, Title: "Invalid", Status: 422, Detail: "the input breaks the workflow's schema",
				Errors: []schema.Diagnostic{{Severity: schema.SeverityError, Code: "schema", Field: "input.email", Message: fmt.Sprintf("%q is not an email address", email)}}}
		}
	}
	if id, ok := s.byKey[req.IdempotencyKey]; ok {
		return &s.run(id).Run, nil
	}
	run := s.add(workflow, wf.Metadata.Labels["fake"], req.Input, schema.Trigger{Kind: "manual", Actor: "ada", Time: Now})
	run.Revision, run.User = wf.Status.Revision, req.User
	s.byKey[req.IdempotencyKey] = run.ID
	shown := run.Run
	return &shown, nil
}

func (s *Server) add(workflow, act string, input json.RawMessage, trigger schema.Trigger) *fakeRun {
	run := &fakeRun{act: act, Run: schema.Run{
		ID: fmt.Sprintf("r%024d00", len(s.runs)+1), Project: schema.DefaultProject, Workflow: workflow, Revision: 1,
		Status: schema.RunQueued, Trigger: trigger, Input: input, CreatedAt: Now, TraceID: TraceID,
	}}
	s.runs = append(s.runs, run)
	return run
}

func (s *Server) run(id string) *fakeRun {
	for _, run := range s.runs {
		if run.ID == id {
			return run
		}
	}
	return nil
}

// look lets a run go on by one step of its act.
func (run *fakeRun) look() {
	if run.Status.Ended() {
		return
	}
	started := Now.Add(10 * time.Millisecond)
	run.looks++
	run.Status, run.StartedAt = schema.RunRunning, &started
	if run.act == "hang" || run.looks < 2 || run.act == "retry" && run.looks < 4 {
		return
	}
	ended := Now.Add(1240 * time.Millisecond)
	run.EndedAt, run.Attempts = &ended, 1
	run.Status, run.Output = schema.RunSucceeded, json.RawMessage(`{"score":42,"note":"a\u001b[31mred"}`)
	if run.act == "retry" {
		run.Attempts = 2
	}
	if run.act == "fail" {
		run.Status, run.Output = schema.RunFailed, nil
		run.Error = &schema.RunError{Type: "http", Message: "GET http://127.0.0.1:7421/status/503 answered 503", Status: 503, Step: "lookup", At: "lead-sync.yaml:14:7"}
	}
}

// steps is what the run's act has done so far.
func (run *fakeRun) steps() []schema.StepRecord {
	if run.looks == 0 {
		return nil
	}
	at := func(ms int) time.Time { return Now.Add(time.Duration(ms) * time.Millisecond) }
	request := &schema.HTTPRecord{Method: "GET", URL: "http://127.0.0.1:7421/get?email=ada%40example.com", Headers: map[string]string{"authorization": "***", "idempotency-key": "k-1"}}
	failed := schema.Attempt{Number: 1, StartedAt: at(20), EndedAt: at(230), Request: request,
		Response: &schema.HTTPRecord{Status: 503, Headers: map[string]string{"content-type": "text/plain", "retry-after": "1"}, Body: "busy\x1b]0;owned\x07\n", Size: 12},
		Error:    &schema.RunError{Type: "http", Message: "status 503", Status: 503}, RetryAfter: schema.Duration(time.Second)}
	good := schema.Attempt{Number: 1, StartedAt: at(20), EndedAt: at(140), Request: request,
		Response: &schema.HTTPRecord{Status: 200, Headers: map[string]string{"content-type": "application/json"}, Body: "{\n  \"total\": 1", Size: 120, Truncated: true}}
	lookup := schema.StepRecord{Path: "lookup", Step: "lookup", Kind: "request", Status: schema.StepRunning, Attempt: 1, StartedAt: at(20)}
	score := schema.StepRecord{Path: "score", Step: "score", Kind: "set", Status: schema.StepSucceeded, StartedAt: at(1230), EndedAt: at(1231), Result: json.RawMessage(`{"score":42}`)}
	switch {
	case run.Status == schema.RunCanceled:
		lookup.Status, lookup.EndedAt = schema.StepCanceled, at(500)
		return []schema.StepRecord{lookup}
	case run.act == "hang", run.looks < 2:
		return []schema.StepRecord{lookup}
	case run.act == "fail":
		lookup.Status, lookup.EndedAt = schema.StepFailed, at(230)
		lookup.Attempts, lookup.Error = []schema.Attempt{failed}, &schema.RunError{Type: "http", Message: "status 503", Status: 503, At: "lead-sync.yaml:14:7"}
		return []schema.StepRecord{lookup}
	case run.act == "retry":
		first := lookup
		first.Status, first.RetryAt, first.Attempts = schema.StepRetrying, at(1230), []schema.Attempt{failed}
		if run.looks < 4 {
			return []schema.StepRecord{first}
		}
		good.Number, good.StartedAt, good.EndedAt = 2, at(1230), at(1235)
		lookup.Attempt = 2
		lookup.Status, lookup.EndedAt, lookup.Attempts = schema.StepSucceeded, at(1235), []schema.Attempt{good}
		return []schema.StepRecord{first, lookup, score}
	}
	lookup.Status, lookup.EndedAt, lookup.Attempts = schema.StepSucceeded, at(140), []schema.Attempt{good}
	lookup.Result = json.RawMessage(`{"status":200,"headers":{"content-type":"application/json"},"body":{"total":1,"items":["a"]}}`)
	return []schema.StepRecord{lookup, score}
}

func (s *Server) withRun(r *http.Request, do func(run *fakeRun) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	run := s.run(r.PathValue("id"))
	if run == nil {
		return problem(404, schema.ProblemNotFound, "run %s does not exist", r.PathValue("id"))
	}
	return do(run)
}

func (s *Server) getRun(w http.ResponseWriter, r *http.Request) error {
	return s.withRun(r, func(run *fakeRun) error {
		run.look()
		return answer(w, http.StatusOK, run.Run)
	})
}

func (s *Server) getSteps(w http.ResponseWriter, r *http.Request) error {
	return s.withRun(r, func(run *fakeRun) error {
		return answer(w, http.StatusOK, api.List[schema.StepRecord]{Items: append([]schema.StepRecord{}, run.steps()...)})
	})
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request) error {
	return s.withRun(r, func(run *fakeRun) error {
		if run.Status.Ended() {
			return problem(409, schema.ProblemConflict, "run %s is %s already", run.ID, run.Status)
		}
		ended := Now.Add(500 * time.Millisecond)
		run.Status, run.EndedAt = schema.RunCanceled, &ended
		return answer(w, http.StatusOK, run.Run)
	})
}

func (s *Server) replay(w http.ResponseWriter, r *http.Request) error {
	var req api.ReplayRequest
	if err := decode(r, &req); err != nil {
		return err
	}
	return s.withRun(r, func(run *fakeRun) error {
		if req.From != "" && req.From != "lookup" && req.From != "score" {
			return problem(422, schema.ProblemInvalid, "workflow %s has no step %s", run.Workflow, req.From)
		}
		again := s.add(run.Workflow, "succeed", run.Input, schema.Trigger{Kind: "replay", Actor: "ada", Parent: run.ID, Time: Now})
		return answer(w, http.StatusAccepted, again.Run)
	})
}

// matching selects runs, newest first.
func (s *Server) matching(workflow, user string, status []schema.RunStatus, text string, since, until time.Time) []schema.Run {
	var out []schema.Run
	for _, run := range slices.Backward(s.runs) {
		if workflow != "" && run.Workflow != workflow || user != "" && run.User != user || len(status) > 0 && !slices.Contains(status, run.Status) ||
			text != "" && (run.Error == nil || !strings.Contains(run.Error.Message, text)) ||
			run.CreatedAt.Before(since) || !until.IsZero() && !run.CreatedAt.Before(until) {
			continue
		}
		out = append(out, run.Run)
	}
	return out
}

// listRuns answers in pages of two, so that paging is always at work.
func (s *Server) listRuns(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	var status []schema.RunStatus
	if text := q.Get("status"); text != "" {
		for word := range strings.SplitSeq(text, ",") {
			status = append(status, schema.RunStatus(word))
		}
	}
	at := func(name string) time.Time {
		t, _ := time.Parse(time.RFC3339Nano, q.Get(name))
		return t
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	page := api.List[schema.Run]{Items: []schema.Run{}}
	for _, run := range s.matching(q.Get("workflow"), q.Get("user"), status, q.Get("error"), at("since"), at("until")) {
		if cursor := q.Get("cursor"); cursor != "" && run.ID >= cursor {
			continue
		}
		if len(page.Items) == 2 {
			page.NextCursor = page.Items[1].ID
			break
		}
		page.Items = append(page.Items, run)
	}
	return answer(w, http.StatusOK, page)
}
