package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"paragon/engine/batch"
	"paragon/engine/cache"
	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/engine/record"
	"paragon/engine/store"
	"paragon/engine/tracing"
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
	durable *batch.Group[store.AcceptedRun, string]
	runs    store.Runs
	// always makes every run durable, as paragond dev does.
	always bool
	// users tells for whom workflows run; nil where none does.
	users Users
	// turn spreads runs over the lanes.
	turn turn
	// payloads keeps large values; nil: they stay in Redis and SQL.
	payloads *payload.Store
	tracer   *tracing.Tracer
}

func newIntake(l *ledger, config *cache.Cache, q *queue.Client, runs store.Runs, always bool, now func() time.Time) *intake {
	l.queue = q
	in := &intake{ledger: l, config: config, queue: q, runs: runs, always: always, now: now}
	if runs != nil {
		in.durable = batch.NewGroup(512, 1, in.acceptDurably)
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
	input, err := checkInput(wf, req.Input)
	if err != nil {
		return "", nil, false, err
	}
	who, err := in.forUser(ctx, wf, req)
	if err != nil {
		return "", nil, false, err
	}
	now := in.now().UTC()
	if req.Trigger.Time.IsZero() {
		req.Trigger.Time = now
	}
	s = &start{
		Project: req.Project, Workflow: req.Workflow, Revision: wf.Revision, CreatedAt: now,
		Trigger: req.Trigger, Input: req.Input, Priority: wf.Spec.Priority,
		Durability: wf.Spec.Durability, TraceParent: req.TraceParent, Caller: by, User: who,
		EventID: req.EventID,
	}
	if in.always {
		s.Durability = schema.DurabilityStore
	}
	limits, err := limitsOf(wf, s, input)
	if err != nil {
		return "", nil, false, err
	}
	return in.write(ctx, draft{id: NewRunID(now, in.laneFor(req, len(limits) > 0, now)), start: s, idem: req.IdempotencyKey, life: req.KeyLife, limits: limits})
}

// draft is a run that is to be accepted.
type draft struct {
	id      string
	start   *start
	idem    string
	life    time.Duration // of the key; 0: as long as keys are kept
	limits  []any
	history []schema.StepRecord
}

// write accepts a drafted run. Where traces are recorded, the run belongs to the
// span of its acceptance from then on.
func (in *intake) write(ctx context.Context, d draft) (id string, s *start, known bool, err error) {
	if in.tracer == nil {
		return in.writeDown(ctx, d)
	}
	ctx, span := in.tracer.Accept(ctx, d.start.TraceParent, tracing.Run{Project: d.start.Project, Workflow: d.start.Workflow, ID: d.id})
	d.start.TraceParent = span.TraceParent()
	if id, s, known, err = in.writeDown(ctx, d); err != nil {
		span.End("refused")
		return "", nil, false, err
	}
	if known {
		span.Is(id)
	}
	span.End("")
	return id, s, known, nil
}

// writeDown makes a run durable, writes it to Redis and queues it, in this
// order: whatever fails in between, a run that was acknowledged is found again.
func (in *intake) writeDown(ctx context.Context, d draft) (id string, s *start, known bool, err error) {
	if err := in.shelve(ctx, &d); err != nil {
		return "", nil, false, err
	}
	row := store.AcceptedRun{
		ID: d.id, Project: d.start.Project, Workflow: d.start.Workflow,
		IdempotencyKey: d.idem, CreatedAt: d.start.CreatedAt,
	}
	durable := d.start.Durability == schema.DurabilityStore && in.durable != nil
	var missed []signal
	if durable {
		kept := *d.start.stored()
		if kept.History, err = recordsOf(d.history); err != nil {
			return "", nil, false, fmt.Errorf("write run of workflow %s: %w", d.start.Workflow, err)
		}
		if row.Meta, err = json.Marshal(&kept); err != nil {
			return "", nil, false, fmt.Errorf("write run of workflow %s: %w", d.start.Workflow, err)
		}
		holder, err := in.durable.Do(ctx, row)
		if err != nil {
			return "", nil, false, unavailable("the run could not be made durable: the SQL store does not answer", err)
		}
		if holder != "" {
			if there, err := in.exists(ctx, d.start.Project, holder); there || err != nil {
				return holder, nil, true, err
			}
			// The holder of the key was made durable and then cut off, or Redis
			// has just lost it: this is the same request again, so it goes on in
			// its place, from what the store knows of it.
			d.id, row.ID = holder, holder
			if err := in.shelve(ctx, &d); err != nil { // under the holder's day
				return "", nil, false, err
			}
			if d.history, missed, err = in.recall(ctx, holder, &kept); err != nil {
				return "", nil, false, unavailable("the run could not be put back: the SQL store or Redis does not answer", err)
			}
		}
	}
	got, err := in.writeRedis(ctx, &d)
	if err != nil {
		return "", nil, false, unavailable("the run could not be accepted: Redis does not answer", err)
	}
	switch got.code {
	case acceptKnown:
		return got.id, nil, true, nil
	case acceptNew:
		err = errors.Join(in.enqueue(ctx, &d, got), in.tellEnds(ctx, d.id, missed...))
	case acceptWaits:
		if got.more != "" {
			_, err = tell(ctx, in.ledger, in.queue, got.more, signal{Kind: "cancel", Reason: "canceled in favour of run " + d.id}, "")
		}
	default:
		if durable {
			if err := in.runs.Unaccept(ctx, []store.AcceptedRun{row}); err != nil {
				return "", nil, false, unavailable("the run was refused, and that could not be written", err)
			}
		}
		return "", nil, false, refusal(got, d.start.Workflow)
	}
	if err != nil {
		return "", nil, false, unavailable("the run could not be queued: Redis does not answer", err)
	}
	return d.id, d.start, false, nil
}

// recordsOf writes the records that a run begins with.
func recordsOf(history []schema.StepRecord) (out [][]byte, err error) {
	for i := range history {
		raw, err := record.AppendStep(nil, &history[i])
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

// putBack writes a durable run to Redis again, and returns how many needed it.
func (in *intake) putBack(ctx context.Context, d draft) (int, error) {
	got, err := in.writeRedis(ctx, &d)
	if err != nil || got.code == acceptKnown {
		return 0, err
	}
	if got.code == acceptNew {
		err = in.enqueue(ctx, &d, got)
	}
	return 1, err
}

// enqueue gives a run its job unless it has it.
func (in *intake) enqueue(ctx context.Context, d *draft, got accepted) error {
	if got.queued {
		return nil
	}
	return in.queue.Enqueue(ctx, queue.Target{Lane: in.ledger.lane(d.id).number, Priority: d.start.priority()}, d.id)
}

// writeRedis writes a run to Redis.
func (in *intake) writeRedis(ctx context.Context, d *draft) (accepted, error) {
	raw, err := appendStart(nil, d.start)
	if err != nil {
		return accepted{}, fmt.Errorf("write run of workflow %s: %w", d.start.Workflow, err)
	}
	fields := make([]any, 0, 2+2*len(d.history))
	fields = append(fields, fieldStart, string(raw))
	records, err := recordsOf(d.history)
	if err != nil {
		return accepted{}, err
	}
	for i, rec := range records {
		fields = append(fields, prefixStep+d.history[i].Path, string(rec))
	}
	idem, keep := d.idem, d.life
	switch {
	case idem != "":
		idem = d.start.Project + "/" + d.start.Workflow + "/" + idem
	case d.start.Durability == schema.DurabilityStore:
		// Others may put it into Redis, too, when it is not there yet: whoever is
		// late by more than the run takes must not begin it again.
		idem, keep = d.id, lateTTL
	}
	ln := in.ledger.lane(d.id)
	if ln == nil {
		return accepted{}, fmt.Errorf("run %s belongs to a lane that does not exist here", d.id)
	}
	return ln.accepts.Do(ctx, acceptance{id: d.id, project: d.start.Project, priority: d.start.priority(), idem: idem, keep: keep, limits: d.limits, fields: fields})
}

// acceptDurably writes runs to the store. The answer to a run whose
// idempotency key stands for another one is that run's id.
func (in *intake) acceptDurably(ctx context.Context, reqs []store.AcceptedRun) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	holders := make([]string, len(reqs))
	rest := reqs
	for {
		err := in.runs.Accept(ctx, rest)
		var taken *store.KeyTakenError
		if !errors.As(err, &taken) {
			return holders, err
		}
		rest = nil
		for i, req := range reqs {
			if holder, ok := taken.Runs[req.ID]; ok {
				holders[i] = holder
			}
			if holders[i] == "" {
				rest = append(rest, req)
			}
		}
		if len(rest) == 0 {
			return holders, nil
		}
	}
}

// exists tells whether a run is in Redis or in the store's history.
func (in *intake) exists(ctx context.Context, project, id string) (bool, error) {
	st, err := in.ledger.load(ctx, id)
	if err != nil {
		return false, unavailable("the run could not be accepted: Redis does not answer", err)
	}
	if st != nil {
		return true, nil
	}
	_, err = in.runs.Run(ctx, project, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, storeError(err, id)
}

// laneFor spreads runs over the lanes. Runs of one idempotency key share one,
// where the key is looked up; all runs of a workflow with limits do, since one
// script must see them all.
func (in *intake) laneFor(req Request, limited bool, now time.Time) int {
	if limited {
		return queue.LaneOf(req.Project+"/"+req.Workflow, len(in.ledger.lanes))
	}
	if req.IdempotencyKey != "" {
		return queue.LaneOf(req.Project+"/"+req.Workflow+"/"+req.IdempotencyKey, len(in.ledger.lanes))
	}
	return in.turn.lane(now, len(in.ledger.lanes))
}

func (in *intake) workflow(req Request) (*cache.Workflow, error) {
	project := in.config.Project(req.Project)
	if project == nil {
		return nil, notFound("project %q does not exist", req.Project)
	}
	wf := project.Workflow(req.Workflow)
	if req.Own {
		wf = in.config.Own(req.Project, req.Workflow)
	}
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

// checkInput decodes a run's input and checks it by the workflow's schema.
func checkInput(wf *cache.Workflow, input json.RawMessage) (value any, err error) {
	if err := json.Unmarshal(input, &value); err != nil {
		return nil, &schema.Problem{
			Type: schema.ProblemInvalid, Title: "Invalid input", Status: 400,
			Detail: "the input is not JSON: " + err.Error(),
		}
	}
	if wrong := wf.CheckInput(value); len(wrong) > 0 {
		return nil, &schema.Problem{
			Type: schema.ProblemInvalid, Title: "Invalid input", Status: 422,
			Detail: fmt.Sprintf("the input breaks the schema of workflow %q", wf.Name),
			Errors: wrong,
		}
	}
	return value, nil
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
