package fakeserver

import (
	"fmt"
	"net/http"

	"paragon/schema"
	"paragon/schema/api"
)

// operate answers a bulk request: what there is to do is done by the time that
// it is asked for again.
func (s *Server) operate(kind string) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		var req api.BulkReplayRequest
		if err := decode(r, &req); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		f := req.RunsFilter
		runs := s.matching(f.Workflow, f.User, f.Status, f.Error, f.Since, f.Until)
		if req.DryRun {
			return answer(w, http.StatusOK, api.RunsCount{DryRun: true, Matched: len(runs)})
		}
		op := &api.Operation{ID: fmt.Sprintf("o%026d", len(s.operations)+1), Kind: kind, State: api.OperationQueued, Filter: f, From: req.From,
			By: "ada", CreatedAt: Now, UpdatedAt: Now}
		s.operations = append(s.operations, op)
		asked := *op
		for _, run := range runs {
			op.Done++
			if kind == api.OperationReplay {
				s.add(run.Workflow, "succeed", run.Input, schema.Trigger{Kind: "replay", Actor: "ada", Parent: run.ID, Time: Now})
			} else if run.Workflow == "stubborn" {
				op.Done--
				op.Failed++
				op.Failures = append(op.Failures, api.OperationFailure{Run: run.ID, Error: "it does not want to"})
			}
		}
		op.State, op.Total, op.EndedAt = api.OperationDone, int64(len(runs)), Now
		return answer(w, http.StatusAccepted, asked)
	}
}

func (s *Server) listOperations(w http.ResponseWriter, _ *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	page := api.List[api.Operation]{Items: []api.Operation{}}
	for i := len(s.operations) - 1; i >= 0; i-- {
		page.Items = append(page.Items, *s.operations[i])
	}
	return answer(w, http.StatusOK, page)
}

func (s *Server) getOperation(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range s.operations {
		if op.ID == r.PathValue("id") {
			return answer(w, http.StatusOK, op)
		}
	}
	return noOperation(r)
}

func (s *Server) cancelOperation(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range s.operations {
		if op.ID == r.PathValue("id") {
			return &schema.Problem{Type: schema.ProblemConflict, Title: "Conflict", Status: http.StatusConflict, Detail: "operation " + op.ID + " has ended already: it is done"}
		}
	}
	return noOperation(r)
}

func noOperation(r *http.Request) error {
	return &schema.Problem{Type: schema.ProblemNotFound, Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("operation %q does not exist", r.PathValue("id"))}
}
