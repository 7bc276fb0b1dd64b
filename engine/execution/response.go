package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

// Response waits until a run has responded or ended, and returns what its
// caller is to be answered. When ctx is done first it returns nil.
func (s *Service) Response(ctx context.Context, project, id string) (*Response, error) {
	var out *Response
	steady := context.WithoutCancel(ctx)
	_, err := s.told.until(ctx, id, func() (bool, error) {
		read, cancel := context.WithTimeout(steady, 10*time.Second)
		defer cancel()
		var err error
		out, err = s.response(read, project, id)
		return out != nil, err
	})
	return out, err
}

// response is what a run has said so far; nil for nothing yet.
func (s *Service) response(ctx context.Context, project, id string) (*Response, error) {
	st, err := s.live(ctx, project, id)
	if err != nil && !errors.Is(err, errNotLive) {
		return nil, err
	}
	if st != nil && st.response != nil {
		if err := s.settled(ctx, id); err != nil {
			return nil, err
		}
		return s.readResponse(ctx, project, st.response)
	}
	run, err := s.get(ctx, project, id)
	if err != nil || !run.Status.Ended() {
		return nil, err
	}
	// It ended since the first look, or is history already: what it said is
	// among its steps.
	recs, err := s.steps(ctx, project, id)
	if err != nil {
		return nil, err
	}
	var said *schema.StepRecord
	for i := range recs {
		if recs[i].Kind == string(workflows.StepRespond) && recs[i].Status == schema.StepSucceeded {
			said = &recs[i]
		}
	}
	if said != nil {
		return s.readResponse(ctx, project, said.Result)
	}
	if run.Output, err = s.value(ctx, project, run.Output); err != nil {
		return nil, notRead("the output of run "+id, err)
	}
	return responseOfEnd(run), nil
}

// readResponse reads the result of a respond step.
func (s *Service) readResponse(ctx context.Context, project string, raw json.RawMessage) (*Response, error) {
	raw, err := s.value(ctx, project, raw)
	if err != nil {
		return nil, notRead("the response", err)
	}
	var said struct {
		Status  int             `json:"status"`
		Headers map[string]any  `json:"headers"`
		Body    json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(raw, &said); err != nil {
		return nil, fmt.Errorf("a response in Redis is not readable: %w", err)
	}
	out := &Response{Status: said.Status, Body: said.Body}
	if len(said.Headers) > 0 {
		out.Headers = make(map[string]string, len(said.Headers))
		for name, value := range said.Headers {
			out.Headers[name] = fmt.Sprint(value)
		}
	}
	return out, nil
}

// responseOfEnd answers for a run that ended without a respond step.
func responseOfEnd(run *schema.Run) *Response {
	if run.Status == schema.RunSucceeded {
		if run.Output == nil {
			return &Response{Status: http.StatusNoContent}
		}
		return &Response{Status: http.StatusOK, Body: run.Output}
	}
	problem := schema.Problem{
		Type: schema.ProblemInternal, Title: "Run " + string(run.Status), Status: http.StatusInternalServerError,
		Detail: "run " + run.ID + " " + string(run.Status),
	}
	body, _ := json.Marshal(problem) // plain strings and numbers
	return &Response{
		Status:  problem.Status,
		Headers: map[string]string{"content-type": schema.ProblemContentType},
		Body:    body,
	}
}
