package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// slack is what a request may take beyond the wait that it asks for.
const slack = 15 * time.Second

func (s *Server) listRuns(w http.ResponseWriter, r *request) error {
	q := r.query()
	now := s.now()
	query := api.RunsQuery{Workflow: q.text("workflow"), Status: q.statuses("status"), Since: q.instant("since", now), Until: q.instant("until", now),
		User: q.text("user"), Error: q.text("error"), Cursor: q.text("cursor"), Limit: int(q.number("limit", 1, 1000))}
	if q.err != nil {
		return q.err
	}
	if query.Limit == 0 {
		query.Limit = 100
	}
	page, err := s.opts.Runs.List(r.Context(), r.project, query)
	if err != nil {
		return err
	}
	if page.Items == nil {
		page.Items = []schema.Run{}
	}
	return writeJSON(w, http.StatusOK, page)
}

func (s *Server) getRun(w http.ResponseWriter, r *request) error {
	q := r.query()
	wait := q.duration("wait", s.limits.Wait)
	if q.err != nil {
		return q.err
	}
	run, err := s.opts.Runs.Get(r.Context(), r.project, r.PathValue("id"))
	if err != nil {
		return err
	}
	if wait > 0 && !run.Status.Ended() {
		if run, err = s.wait(w, r, run, wait); err != nil {
			return err
		}
	}
	return writeJSON(w, http.StatusOK, run)
}

// wait returns the run when it has ended, or as it is after the time.
func (s *Server) wait(w http.ResponseWriter, r *request, run *schema.Run, wait time.Duration) (*schema.Run, error) {
	extend(w, wait+slack)
	r.letGo()
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	return s.opts.Runs.Wait(ctx, r.project, run.ID)
}

func (s *Server) getSteps(w http.ResponseWriter, r *request) error {
	steps, err := s.opts.Runs.Steps(r.Context(), r.project, r.PathValue("id"))
	if err != nil {
		return err
	}
	if steps == nil {
		steps = []schema.StepRecord{}
	}
	return writeJSON(w, http.StatusOK, api.List[schema.StepRecord]{Items: steps})
}

func (s *Server) getPayload(w http.ResponseWriter, r *request) error {
	value, err := s.opts.Runs.Payload(r.Context(), r.project, r.PathValue("id"), r.PathValue("digest"))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", api.ContentTypeJSON)
	w.Header().Set("Content-Length", strconv.Itoa(len(value)))
	_, err = w.Write(value)
	return err
}

func (s *Server) cancelRun(w http.ResponseWriter, r *request) error {
	run, err := s.opts.Runs.Cancel(r.Context(), r.project, r.PathValue("id"), r.actor.Name)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, run)
}

func (s *Server) replayRun(w http.ResponseWriter, r *request) error {
	var req api.ReplayRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	run, err := s.opts.Runs.Replay(r.Context(), r.project, r.PathValue("id"), req.From, r.actor.Name)
	if err != nil {
		return err
	}
	w.Header().Set("Location", runPath(r.project, run.ID))
	return writeJSON(w, http.StatusAccepted, run)
}

func runPath(project, id string) string { return "/v1/projects/" + project + "/runs/" + id }
