package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// MaxOperation bounds the runs of one operation.
const MaxOperation = 1_000_000

// wish is what an operation is to do, as the store keeps it.
type wish struct {
	api.RunsFilter
	From string `json:"from,omitempty"`
}

// CountRuns tells how many runs an operation on a filter would be about. What
// it selects is settled when the operation begins.
func (s *Service) CountRuns(ctx context.Context, project, kind string, f api.RunsFilter) (int, error) {
	ids, err := s.selected(ctx, project, kind, f)
	return len(ids), err
}

// StartOperation writes an operation that an Operator then carries out. Runs
// that are accepted later are not its business.
func (s *Service) StartOperation(ctx context.Context, project, kind string, f api.RunsFilter, from, actor string) (*api.Operation, error) {
	if s.opts.Steering == nil {
		return nil, errNoSteering
	}
	now := s.opts.Now().UTC()
	if f.Until.IsZero() || f.Until.After(now) {
		f.Until = now
	}
	request, err := json.Marshal(wish{RunsFilter: f, From: from})
	if err != nil {
		return nil, fmt.Errorf("write an operation: %w", err)
	}
	op := store.Operation{
		ID: "o" + NewRunID(now, 0)[1:], Project: project, Kind: kind, State: store.OperationQueued,
		Request: request, By: actor, CreatedAt: now, UpdatedAt: now,
	}
	if err := s.opts.Steering.CreateOperation(ctx, op); err != nil {
		return nil, operationError(err, op.ID)
	}
	select {
	case s.begun <- struct{}{}:
	default:
	}
	return shown(&op)
}

// Operation returns an operation as it is now.
func (s *Service) Operation(ctx context.Context, project, id string) (*api.Operation, error) {
	if s.opts.Steering == nil {
		return nil, errNoSteering
	}
	op, err := s.opts.Steering.Operation(ctx, project, id)
	if err != nil {
		return nil, operationError(err, id)
	}
	return shown(op)
}

// Operations lists a project's operations, newest first.
func (s *Service) Operations(ctx context.Context, project, cursor string, limit int) (api.List[api.Operation], error) {
	out := api.List[api.Operation]{Items: []api.Operation{}}
	if s.opts.Steering == nil {
		return out, errNoSteering
	}
	if limit <= 0 {
		limit = listLimit
	}
	limit = min(limit, maxList)
	found, err := s.opts.Steering.Operations(ctx, project, cursor, limit+1)
	if err != nil {
		return out, operationError(err, "")
	}
	for i := range found {
		if i == limit {
			out.NextCursor = found[i-1].ID
			break
		}
		op, err := shown(&found[i])
		if err != nil {
			return out, err
		}
		out.Items = append(out.Items, *op)
	}
	return out, nil
}

// CancelOperation ends an operation. What it has done stays done.
func (s *Service) CancelOperation(ctx context.Context, project, id string) (*api.Operation, error) {
	if s.opts.Steering == nil {
		return nil, errNoSteering
	}
	err := s.opts.Steering.CancelOperation(ctx, project, id, s.opts.Now().UTC())
	if errors.Is(err, store.ErrNotFound) {
		op, err := s.Operation(ctx, project, id)
		if err != nil {
			return nil, err
		}
		return nil, &schema.Problem{
			Type: schema.ProblemConflict, Title: "Conflict", Status: 409,
			Detail: "operation " + id + " has ended already: it is " + op.State,
		}
	}
	if err != nil {
		return nil, operationError(err, id)
	}
	return s.Operation(ctx, project, id)
}

func operationError(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return notFound("operation %q does not exist", id)
	}
	return storeError(err, id)
}

// shown is an operation as the API shows it.
func shown(op *store.Operation) (*api.Operation, error) {
	var w wish
	out := &api.Operation{
		ID: op.ID, Kind: op.Kind, State: string(op.State), Total: op.Total, Done: op.Done, Failed: op.Failed,
		By: op.By, CreatedAt: op.CreatedAt, UpdatedAt: op.UpdatedAt, EndedAt: op.EndedAt,
	}
	if err := json.Unmarshal(op.Request, &w); err != nil {
		return nil, fmt.Errorf("read operation %s: %w", op.ID, err)
	}
	out.Filter, out.From = w.RunsFilter, w.From
	if len(op.Failures) > 0 {
		if err := json.Unmarshal(op.Failures, &out.Failures); err != nil {
			return nil, fmt.Errorf("read operation %s: %w", op.ID, err)
		}
	}
	return out, nil
}

// selected returns the runs that an operation is about, oldest first.
func (s *Service) selected(ctx context.Context, project, kind string, f api.RunsFilter) ([]string, error) {
	var ids []string
	take := func(run *schema.Run) error {
		if run.Status.Ended() == (kind == api.OperationReplay) && run.Trigger.Kind != TriggerChunk {
			ids = append(ids, run.ID)
		}
		if len(ids) > MaxOperation {
			return &schema.Problem{
				Type: schema.ProblemInvalid, Title: "Invalid input", Status: 422,
				Detail: fmt.Sprintf("the filter selects more than %d runs: narrow it, with since and until for instance", MaxOperation),
			}
		}
		return nil
	}
	// Redis first: a run that moves to the store meanwhile is found there.
	q := api.RunsQuery{Workflow: f.Workflow, Status: f.Status, Since: f.Since, Until: f.Until, User: f.User, Error: f.Error}
	for _, ln := range s.ledger.lanes {
		if err := s.eachLive(ctx, ln, project, q, take); err != nil {
			return nil, err
		}
	}
	if kind == api.OperationReplay {
		if err := s.eachPast(ctx, project, q, take); err != nil {
			return nil, err
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// eachLive calls do with each run of a lane in Redis that matches.
func (s *Service) eachLive(ctx context.Context, ln *lane, project string, q api.RunsQuery, do func(*schema.Run) error) error {
	return s.eachLivePage(ctx, ln, project, q, func(matching []schema.Run, _ int) (bool, error) {
		for i := range matching {
			if err := do(&matching[i]); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// eachPast calls do with each run in the store that matches.
func (s *Service) eachPast(ctx context.Context, project string, q api.RunsQuery, do func(*schema.Run) error) error {
	const page = 1000
	for before := ""; ; {
		query := store.RunQuery{
			Project: project, Workflow: q.Workflow, Status: q.Status, Since: q.Since, Until: q.Until,
			User: q.User, Error: q.Error, Before: before, Limit: page, Bytes: maxPageBytes,
		}
		past, err := s.opts.Store.ListRuns(ctx, query)
		if err != nil {
			return storeError(err, "")
		}
		for i := range past {
			if err := do(&past[i]); err != nil {
				return err
			}
		}
		if !query.Full(past) {
			return nil
		}
		before = past[len(past)-1].ID
	}
}

// operationKey is the idempotency key of what an operation does to a run, so
// that whoever goes on with it starts nothing twice.
func operationKey(op, run string) string { return strings.Join([]string{"operation", op, run}, "/") }
