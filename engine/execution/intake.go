package execution

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"paragon/engine/batch"
	"paragon/engine/cache"
	"paragon/engine/queue"
	"paragon/engine/store"
	"paragon/schema"
)

// intake accepts runs: it checks the request against the configuration in
// memory, writes the run, and puts its job into the queue. Only then is a run
// accepted.
type intake struct {
	ledger *ledger
	config *cache.Cache
	queue  *queue.Client
	now    func() time.Time
	// durable is the group commit into the SQL store; nil where there is no
	// store (a worker).
	durable *batch.Group[store.AcceptedRun, struct{}]
	// always makes every run durable, as paragond dev does.
	always bool
	// next spreads runs over the lanes, turn by turn.
	next atomic.Uint64
}

func newIntake(l *ledger, config *cache.Cache, q *queue.Client, runs store.Runs, always bool, now func() time.Time) *intake {
	in := &intake{ledger: l, config: config, queue: q, always: always, now: now}
	if runs != nil {
		in.durable = batch.NewGroup(512, 1, func(ctx context.Context, reqs []store.AcceptedRun) ([]struct{}, error) {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			return make([]struct{}, len(reqs)), runs.Accept(ctx, reqs)
		})
	}
	return in
}

func (in *intake) stop(ctx context.Context) error {
	if in.durable == nil {
		return nil
	}
	return in.durable.Stop(ctx)
}

// accept accepts a run. Known says that the idempotency key had one already:
// it is that run's id then.
func (in *intake) accept(ctx context.Context, req Request, by *caller) (id string, s *start, known bool, err error) {
	wf, err := in.workflow(req)
	if err != nil {
		return "", nil, false, err
	}
	if len(req.Input) == 0 {
		req.Input = json.RawMessage("null")
	}
	if err := checkInput(wf, req.Input); err != nil {
		return "", nil, false, err
	}
	now := in.now().UTC()
	if req.Trigger.Time.IsZero() {
		req.Trigger.Time = now
	}
	s = &start{
		Project: req.Project, Workflow: req.Workflow, Revision: wf.Revision, CreatedAt: now,
		Trigger: req.Trigger, Input: req.Input, Priority: wf.Spec.Priority,
		Durability: wf.Spec.Durability, TraceParent: req.TraceParent, Caller: by,
	}
	if in.always {
		s.Durability = schema.DurabilityStore
	}
	id = NewRunID(now, in.laneFor(req))
	return in.write(ctx, id, s, req.IdempotencyKey, nil)
}

// write makes a run durable, writes it to Redis and queues it, in this order:
// whatever fails in between, a run that was acknowledged is found again.
func (in *intake) write(ctx context.Context, id string, s *start, idem string, history []schema.StepRecord) (string, *start, bool, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return "", nil, false, fmt.Errorf("write run of workflow %s: %w", s.Workflow, err)
	}
	if s.Durability == schema.DurabilityStore && in.durable != nil {
		row := store.AcceptedRun{
			ID: id, Project: s.Project, Workflow: s.Workflow,
			IdempotencyKey: idem, CreatedAt: s.CreatedAt, Meta: raw,
		}
		if _, err := in.durable.Do(ctx, row); err != nil {
			return "", nil, false, unavailable("the run could not be made durable: the SQL store does not answer", err)
		}
	}
	fields := make([]any, 0, 2+2*len(history))
	fields = append(fields, fieldStart, string(raw))
	for i := range history {
		rec, err := json.Marshal(&history[i])
		if err != nil {
			return "", nil, false, fmt.Errorf("write step %s: %w", history[i].Path, err)
		}
		fields = append(fields, prefixStep+history[i].Path, string(rec))
	}
	if idem != "" {
		idem = s.Project + "/" + s.Workflow + "/" + idem
	}
	ln := in.ledger.lane(id)
	got, err := ln.accepts.Do(ctx, acceptance{id: id, priority: s.priority(), idem: idem, fields: fields})
	switch {
	case err != nil:
		return "", nil, false, unavailable("the run could not be accepted: Redis does not answer", err)
	case got.code == acceptRefused:
		return "", nil, false, &schema.Problem{
			Type: schema.ProblemUnavailable, Title: "Service unavailable", Status: 503, RetryAfter: 10,
			Detail: "no run is accepted: the log that waits to be written to Postgres has reached its limit; it goes on once Postgres answers again",
		}
	case got.code == acceptKnown:
		return got.id, nil, true, nil
	}
	if err := in.queue.Enqueue(ctx, queue.Target{Lane: ln.number, Priority: s.priority()}, id); err != nil {
		return "", nil, false, unavailable("the run could not be queued: Redis does not answer", err)
	}
	return id, s, false, nil
}

// laneFor spreads runs over the lanes; runs of one idempotency key share one,
// where the key is looked up.
func (in *intake) laneFor(req Request) int {
	if req.IdempotencyKey != "" {
		return queue.LaneOf(req.Project+"/"+req.Workflow+"/"+req.IdempotencyKey, len(in.ledger.lanes))
	}
	return int(in.next.Add(1) % uint64(len(in.ledger.lanes)))
}

func (in *intake) workflow(req Request) (*cache.Workflow, error) {
	project := in.config.Project(req.Project)
	if project == nil {
		return nil, notFound("project %q does not exist", req.Project)
	}
	wf := project.Workflow(req.Workflow)
	if wf == nil {
		return nil, notFound("workflow %q does not exist in project %q", req.Workflow, req.Project)
	}
	if wf.Broken != nil {
		return nil, &schema.Problem{
			Type: schema.ProblemConflict, Title: "Conflict", Status: 409,
			Detail: fmt.Sprintf("workflow %q can't run in this version: %v", req.Workflow, wf.Broken),
		}
	}
	return wf, nil
}

func checkInput(wf *cache.Workflow, input json.RawMessage) error {
	var value any
	if err := json.Unmarshal(input, &value); err != nil {
		return &schema.Problem{
			Type: schema.ProblemInvalid, Title: "Invalid input", Status: 400,
			Detail: "the input is not JSON: " + err.Error(),
		}
	}
	if wrong := wf.CheckInput(value); len(wrong) > 0 {
		return &schema.Problem{
			Type: schema.ProblemInvalid, Title: "Invalid input", Status: 422,
			Detail: fmt.Sprintf("the input breaks the schema of workflow %q", wf.Name),
			Errors: wrong,
		}
	}
	return nil
}

func notFound(format string, args ...any) *schema.Problem {
	return &schema.Problem{
		Type: schema.ProblemNotFound, Title: "Not found", Status: 404,
		Detail: fmt.Sprintf(format, args...),
	}
}

// unavailable is the problem of a server that does not answer now.
func unavailable(detail string, err error) error {
	return &unavailableError{
		problem: &schema.Problem{
			Type: schema.ProblemUnavailable, Title: "Service unavailable", Status: 503,
			Detail: detail + "; try again", RetryAfter: 1,
		},
		cause: err,
	}
}

// unavailableError keeps the cause for the operator's log; the caller sees the
// problem.
type unavailableError struct {
	problem *schema.Problem
	cause   error
}

func (e *unavailableError) Error() string   { return e.problem.Detail + ": " + e.cause.Error() }
func (e *unavailableError) Unwrap() []error { return []error{e.problem, e.cause} }
