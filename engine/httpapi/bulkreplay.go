package httpapi

import (
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"paragon/schema"
	"paragon/schema/api"
)

const (
	// maxReplay bounds the runs of one bulk replay; a filter that selects more
	// is refused before anything starts.
	maxReplay = 10000
	// replayWorkers is how many replays are under way at once.
	replayWorkers = 16
)

// replayRuns starts again every ended run that matches. The matches are
// gathered before the first one starts, so that the new runs, which match the
// same filter, are not replayed in turn.
func (s *Server) replayRuns(w http.ResponseWriter, r *request) error {
	var req api.BulkReplayRequest
	if _, err := decodeBody(r.Request, &req); err != nil {
		return err
	}
	if req.Workflow == "" && len(req.Status) == 0 && req.Since.IsZero() && req.Error == "" {
		return badRequest("set at least one of workflow, status, since and error: replaying every run there ever was is hardly meant")
	}
	if err := knownStatuses("status", req.Status); err != nil {
		return err
	}
	for _, st := range req.Status {
		if !st.Ended() {
			return badField("status", "only ended runs can be replayed, and %s is not an end", st)
		}
	}
	if len(req.Status) == 0 {
		req.Status = []schema.RunStatus{schema.RunSucceeded, schema.RunFailed, schema.RunCanceled}
	}
	extend(w, s.limits.Wait+slack)
	ids, err := s.matching(r, req)
	if err != nil {
		return err
	}
	result := api.BulkReplayResult{DryRun: req.DryRun, Matched: len(ids)}
	if !req.DryRun {
		// Oldest first, as the runs were.
		slices.Reverse(ids)
		if result.Runs, err = s.replayAll(r, ids, req.From); err != nil {
			return err
		}
	}
	return writeJSON(w, http.StatusOK, result)
}

func (s *Server) matching(r *request, req api.BulkReplayRequest) ([]string, error) {
	var ids []string
	q := api.RunsQuery{Workflow: req.Workflow, Status: req.Status, Since: req.Since, Until: req.Until, Error: req.Error, Limit: 1000}
	for {
		page, err := s.opts.Runs.List(r.Context(), r.project, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			if page.Items[i].Status.Ended() {
				ids = append(ids, page.Items[i].ID)
			}
		}
		if len(ids) > maxReplay {
			return nil, badRequest("the filter selects more than %d runs: narrow it, with until for instance", maxReplay)
		}
		if page.NextCursor == "" || page.NextCursor == q.Cursor {
			return ids, nil
		}
		q.Cursor = page.NextCursor
	}
}

// replayAll starts the runs again. When one can't be, no further one begins,
// and the problem says how many did.
func (s *Server) replayAll(r *request, ids []string, from string) ([]string, error) {
	started := make([]string, len(ids))
	group, ctx := errgroup.WithContext(r.Context())
	group.SetLimit(replayWorkers)
	for i, id := range ids {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			run, err := s.opts.Runs.Replay(ctx, r.project, id, from, r.actor.Name)
			if err != nil {
				return replayFailed{id, err}
			}
			started[i] = run.ID
			return nil
		})
	}
	err := group.Wait()
	done := slices.DeleteFunc(started, func(id string) bool { return id == "" })
	if err == nil {
		return done, nil
	}
	p, internal := problemOf(r.Context(), err)
	if internal {
		infoOf(r.Request).err = err
	}
	if f, ok := err.(replayFailed); ok { //nolint:errorlint // made just above
		p.Detail = "run " + f.id + " could not be replayed: " + p.Detail
	}
	p.Detail += "; " + plural(len(done), "run was", "runs were") + " started before"
	return nil, p
}

type replayFailed struct {
	id  string
	err error
}

func (f replayFailed) Error() string { return "replay " + f.id + ": " + f.err.Error() }
func (f replayFailed) Unwrap() error { return f.err }
