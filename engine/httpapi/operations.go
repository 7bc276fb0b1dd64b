package httpapi

import (
	"context"
	"net/http"

	"paragon/schema"
	"paragon/schema/api"
)

// Operations are things that are done to many runs in the background.
type Operations interface {
	// CountRuns tells how many runs an operation would be about.
	CountRuns(ctx context.Context, project, kind string, f api.RunsFilter) (int, error)
	// StartOperation begins an operation.
	StartOperation(ctx context.Context, project, kind string, f api.RunsFilter, from, actor string) (*api.Operation, error)
	// Operation returns an operation as it is now.
	Operation(ctx context.Context, project, id string) (*api.Operation, error)
	// Operations lists operations, newest first.
	Operations(ctx context.Context, project, cursor string, limit int) (api.List[api.Operation], error)
	// CancelOperation ends an operation.
	CancelOperation(ctx context.Context, project, id string) (*api.Operation, error)
}

// replayRuns starts again every ended run that matches.
func (s *Server) replayRuns(w http.ResponseWriter, r *request) error {
	var req api.BulkReplayRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	for _, st := range req.Status {
		if known(st) && !st.Ended() {
			return badField("status", "only ended runs can be replayed, and %s is not an end", st)
		}
	}
	return s.operate(w, r, api.OperationReplay, req.RunsFilter, req.From, req.DryRun)
}

// cancelRuns ends every run that matches and has not ended.
func (s *Server) cancelRuns(w http.ResponseWriter, r *request) error {
	var req api.BulkCancelRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	for _, st := range req.Status {
		if st.Ended() {
			return badField("status", "a run that %s can't be canceled any more", st)
		}
	}
	return s.operate(w, r, api.OperationCancel, req.RunsFilter, "", req.DryRun)
}

func (s *Server) operate(w http.ResponseWriter, r *request, kind string, f api.RunsFilter, from string, dryRun bool) error {
	if f.Workflow == "" && len(f.Status) == 0 && f.Since.IsZero() && f.Error == "" {
		return badRequest("set at least one of workflow, status, since and error: every run there ever was is hardly meant")
	}
	if err := knownStatuses("status", f.Status); err != nil {
		return err
	}
	if dryRun {
		extend(w, s.limits.Wait+slack)
		n, err := s.opts.Runs.CountRuns(r.Context(), r.project, kind, f)
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, api.RunsCount{DryRun: true, Matched: n})
	}
	op, err := s.opts.Runs.StartOperation(r.Context(), r.project, kind, f, from, r.actor.Name)
	if err != nil {
		return err
	}
	s.opts.Config.Did(r.Context(), r.actor, r.project, kind+"-runs", "operation/"+op.ID, map[string]any{"filter": op.Filter, "from": from})
	w.Header().Set("Location", "/v1/projects/"+r.project+"/operations/"+op.ID)
	return writeJSON(w, http.StatusAccepted, op)
}

func (s *Server) listOperations(w http.ResponseWriter, r *request) error {
	q := r.query()
	cursor, limit := q.text("cursor"), q.number("limit", 1, 500)
	if q.err != nil {
		return q.err
	}
	list, err := s.opts.Runs.Operations(r.Context(), r.project, cursor, int(limit))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, list)
}

func (s *Server) getOperation(w http.ResponseWriter, r *request) error {
	op, err := s.opts.Runs.Operation(r.Context(), r.project, r.PathValue("id"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, op)
}

func (s *Server) cancelOperation(w http.ResponseWriter, r *request) error {
	op, err := s.opts.Runs.CancelOperation(r.Context(), r.project, r.PathValue("id"))
	if err != nil {
		return err
	}
	s.opts.Config.Did(r.Context(), r.actor, r.project, "cancel-operation", "operation/"+op.ID, nil)
	return writeJSON(w, http.StatusOK, op)
}

func known(st schema.RunStatus) bool { return knownStatuses("status", []schema.RunStatus{st}) == nil }
