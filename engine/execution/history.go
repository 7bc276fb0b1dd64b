package execution

import (
	"context"
	"slices"
	"strings"

	"paragon/engine/logs"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// unwritten reads the step records of a run that the store does not have yet.
func (s *Service) unwritten(ctx context.Context, id string) ([]store.StepRow, error) {
	ln := s.ledger.lane(id)
	return logs.Waiting(ctx, s.opts.Redis, ln.number, id)
}

// mergeSteps joins what the store has of a run with what waits in the log, and
// adds the newest state of steps that neither has.
func mergeSteps(written []schema.StepRecord, waiting []store.StepRow, current []schema.StepRecord) []schema.StepRecord {
	out := slices.Clone(written)
	slices.SortFunc(waiting, func(a, b store.StepRow) int { return int(a.Seq - b.Seq) })
	for _, row := range waiting {
		if !slices.ContainsFunc(written, func(w schema.StepRecord) bool { return same(w, row.StepRecord) }) {
			out = append(out, row.StepRecord)
		}
	}
	slices.SortStableFunc(current, func(a, b schema.StepRecord) int { return a.StartedAt.Compare(b.StartedAt) })
	for _, rec := range current {
		if !slices.ContainsFunc(out, func(w schema.StepRecord) bool { return same(w, rec) }) {
			out = append(out, rec)
		}
	}
	return out
}

// same tells whether two records are one: a step does not come twice to one
// state with one attempt.
func same(a, b schema.StepRecord) bool {
	return a.Path == b.Path && a.Status == b.Status && a.Attempt == b.Attempt
}

// before picks the latest records of what ran before a top-level step.
func before(wf *workflows.Workflow, recs []schema.StepRecord, step string) ([]schema.StepRecord, error) {
	earlier := map[string]bool{}
	found := false
	for _, st := range wf.Steps {
		if st.ID == step {
			found = true
			break
		}
		mark(st, earlier)
	}
	if !found {
		return nil, &schema.Problem{
			Type: schema.ProblemInvalid, Title: "Invalid input", Status: 422,
			Detail: "workflow " + wf.Name + " has no top-level step " + step + " to replay from",
		}
	}
	var ended []schema.StepRecord
	for _, rec := range recs {
		if rec.Status.Ended() && earlier[rec.Step] {
			ended = append(ended, rec)
		}
	}
	out := latest(ended)
	for i := range out {
		if len(wf.Secrets) > 0 && hidden(&out[i]) {
			return nil, &schema.Problem{
				Type: schema.ProblemConflict, Title: "Conflict", Status: 409,
				Detail: "the result of step " + out[i].Step + " held a secret, which history does not keep: replay from the start, or from step " + out[i].Step,
			}
		}
	}
	for i := range out {
		out[i].Attempt = 0 // the attempts were the other run's
	}
	return out, nil
}

// mark collects the ids of a step and of all inside it.
func mark(st *workflows.Step, ids map[string]bool) {
	ids[st.ID] = true
	for i := range st.Branches {
		for _, inner := range st.Branches[i].Steps {
			mark(inner, ids)
		}
	}
	for _, inner := range st.Body {
		mark(inner, ids)
	}
}

// listLimit is the size of a page when the caller does not say, and maxList
// the greatest.
const (
	listLimit = 50
	maxList   = 500
)

// List lists runs, newest first: what Redis has and what the store has.
func (s *Service) List(ctx context.Context, project string, q api.RunsQuery) (api.List[schema.Run], error) {
	limit := q.Limit
	if limit <= 0 {
		limit = listLimit
	}
	limit = min(limit, maxList)
	if q.Cursor != "" {
		if _, ok := LaneOfRun(q.Cursor); !ok {
			return api.List[schema.Run]{}, &schema.Problem{
				Type: schema.ProblemInvalid, Title: "Invalid input", Status: 400,
				Detail: "the cursor is not one that a list has answered with",
			}
		}
	}
	page := runPage{limit: limit}
	for _, ln := range s.ledger.lanes {
		found, err := s.liveRunsOf(ctx, ln, project, q, limit)
		if err != nil {
			return api.List[schema.Run]{}, unavailable("the runs can't be listed: Redis does not answer", err)
		}
		page.add(found, pageBound(limit).Full(found))
	}
	bound := pageBound(limit)
	past, err := s.opts.Store.ListRuns(ctx, store.RunQuery{
		Project: project, Workflow: q.Workflow, Status: q.Status, Since: q.Since, Until: q.Until,
		User: q.User, Error: q.Error, Before: q.Cursor, Limit: bound.Limit, Bytes: bound.Bytes,
	})
	if err != nil {
		return api.List[schema.Run]{}, storeError(err, "")
	}
	page.add(past, bound.Full(past))
	list := page.list()
	for i := range list.Items {
		leaveOut(&list.Items[i])
	}
	return list, nil
}

// livePage is how many runs are read at a time, and liveScan how many of a
// lane are looked at for one page of the list.
const (
	livePage = 200
	liveScan = 20_000
)

func (s *Service) liveRunsOf(ctx context.Context, ln *lane, project string, q api.RunsQuery, limit int) ([]schema.Run, error) {
	var out []schema.Run
	seen := 0
	err := s.eachLivePage(ctx, ln, project, q, func(matching []schema.Run, looked int) (bool, error) {
		out, seen = append(out, matching...), seen+looked
		return seen < liveScan && !pageBound(limit).Full(out), nil
	})
	return out, err
}

// eachLivePage walks the runs of a lane in Redis, newest first from the query's
// cursor, and calls do with those of each page that match and how many were
// looked at, until it does not want more.
func (s *Service) eachLivePage(ctx context.Context, ln *lane, project string, q api.RunsQuery, do func(matching []schema.Run, looked int) (more bool, err error)) error {
	from := "+"
	if q.Cursor != "" {
		from = "(" + q.Cursor
	}
	for {
		ids, err := s.opts.Redis.ZRevRangeByLex(ctx, ln.key+":live", lexRange(from, livePage)).Result()
		if err != nil {
			return unavailable("the runs can't be listed: Redis does not answer", err)
		}
		states, err := s.ledger.loadMany(ctx, ln, ids)
		if err != nil {
			return unavailable("the runs can't be listed: Redis does not answer", err)
		}
		var matching []schema.Run
		for _, st := range states {
			run, err := st.run()
			if err != nil {
				return err
			}
			if run.Project == project && matches(run, q) {
				matching = append(matching, *run)
			}
		}
		if more, err := do(matching, len(ids)); err != nil || !more || len(ids) < livePage {
			return err
		}
		from = "(" + ids[len(ids)-1]
	}
}

func matches(run *schema.Run, q api.RunsQuery) bool {
	switch {
	case q.Workflow != "" && run.Workflow != q.Workflow:
	case len(q.Status) > 0 && !slices.Contains(q.Status, run.Status):
	case q.User != "" && run.User != q.User:
	case !q.Since.IsZero() && run.CreatedAt.Before(q.Since):
	case !q.Until.IsZero() && !run.CreatedAt.Before(q.Until):
	case q.Error != "" && (run.Error == nil || !strings.Contains(strings.ToLower(run.Error.Message), strings.ToLower(q.Error))):
	default:
		return true
	}
	return false
}
