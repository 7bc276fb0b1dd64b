package execution

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/engine/store"
	"paragon/engine/tracing"
	"paragon/schema"
)

// ServiceOptions are what a Service works with.
type ServiceOptions struct {
	Redis redis.UniversalClient
	// Lanes is the number of lanes, the same in all processes.
	Lanes  int
	Config *cache.Cache
	Queue  *queue.Client
	// Store is where history is read and durable runs are written.
	Store store.Runs
	// Steering keeps what is paused; nil where nothing can be.
	Steering store.Steering
	// Users tells for whom workflows run; nil: for none.
	Users Users
	// AlwaysDurable makes every run durable, whatever its workflow says.
	AlwaysDurable bool
	// Settle, when set, returns once the store has a lane's log: no run is shown
	// as ended before its end is there.
	Settle func(ctx context.Context, lane int) error
	// Paused, when set, is told of each pause of a workflow or queue.
	Paused func(ctx context.Context, p store.Pause)
	// LogLimit is how many bytes of log may wait for the store before no run
	// is accepted any more; 0: no limit.
	LogLimit int64
	// Payloads keeps large values; nil: they stay in Redis and SQL.
	Payloads *payload.Store
	// Tracer records what is accepted; nil records nothing.
	Tracer *tracing.Tracer
	Now    func() time.Time
	Log    *slog.Logger
}

// Service is the run side of the API: it accepts, shows, cancels and replays
// runs. Its methods are safe for concurrent use, and return *schema.Problem
// (maybe wrapped) for what a caller can act on.
type Service struct {
	opts   ServiceOptions
	ledger *ledger
	intake *intake
	bus    *bus
	told   *told
	// inspector looks at queues.
	inspector *queue.Inspector
	// begun gets a value when an operation is written.
	begun chan struct{}
}

// NewService makes a service; Start it before use.
func NewService(opts ServiceOptions) *Service {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	l := newLedger(opts.Redis, opts.Lanes, "", opts.Now)
	l.logLimit = opts.LogLimit / int64(opts.Lanes)
	in := newIntake(l, opts.Config, opts.Queue, opts.Store, opts.AlwaysDurable, opts.Now)
	in.tracer, in.users, in.payloads = opts.Tracer, opts.Users, opts.Payloads
	return &Service{
		opts:      opts,
		ledger:    l,
		intake:    in,
		bus:       &bus{ledger: l, intake: in, queue: opts.Queue, config: opts.Config, now: opts.Now},
		told:      newTold(opts.Redis, opts.Lanes),
		inspector: queue.NewInspector(opts.Redis, queue.Lanes(opts.Lanes)),
		begun:     make(chan struct{}, 1),
	}
}

// Start begins to listen for runs that end.
func (s *Service) Start(ctx context.Context) error { return s.told.start(ctx) }

// Stop ends what Start began, and waits for what is being accepted.
func (s *Service) Stop(ctx context.Context) error {
	return errors.Join(s.intake.stop(ctx), s.ledger.stop(ctx), s.told.stop(ctx))
}

// Trigger accepts a run. Once it returns without an error the run is not lost.
func (s *Service) Trigger(ctx context.Context, req Request) (*schema.Run, error) {
	id, start, known, err := s.intake.accept(ctx, req, nil)
	if err != nil {
		return nil, err
	}
	if known {
		return s.Get(ctx, req.Project, id)
	}
	st := state{id: id, start: *start}
	run := st.skeleton()
	run.Status = schema.RunQueued
	return run, nil
}

// Get returns a run as it is now, with its values.
func (s *Service) Get(ctx context.Context, project, id string) (*schema.Run, error) {
	run, err := s.get(ctx, project, id)
	if err != nil {
		return nil, err
	}
	return run, s.fill(ctx, run)
}

// get returns a run as it is now, maybe with references in the place of values.
func (s *Service) get(ctx context.Context, project, id string) (*schema.Run, error) {
	st, err := s.live(ctx, project, id)
	switch {
	case err != nil && !errors.Is(err, errNotLive):
		return nil, err
	case err == nil:
		if st.status.Ended() {
			if err := s.settled(ctx, id); err != nil {
				return nil, err
			}
		}
		return st.run()
	}
	run, err := s.opts.Store.Run(ctx, project, id)
	if errors.Is(err, store.ErrNotFound) {
		// It may have moved to the store between the two looks, or be neither.
		return nil, notFound("run %q does not exist", id)
	}
	return run, storeError(err, id)
}

// settled returns once what a run has logged can't be lost any more.
func (s *Service) settled(ctx context.Context, id string) error {
	lane, _ := LaneOfRun(id)
	if s.opts.Settle == nil {
		return nil
	}
	if err := s.opts.Settle(ctx, lane); err != nil {
		return unavailable("the run's log can't be written to the store", err)
	}
	return nil
}

// errNotLive says that Redis does not have the run: it may be history.
var errNotLive = errors.New("the run is not in Redis")

// live loads a run of the project from Redis.
func (s *Service) live(ctx context.Context, project, id string) (*state, error) {
	if _, ok := LaneOfRun(id); !ok {
		return nil, notFound("%q is not the id of a run", id)
	}
	st, err := s.ledger.load(ctx, id)
	switch {
	case err != nil:
		return nil, unavailable("the run can't be read: Redis does not answer", err)
	case st == nil:
		return nil, errNotLive
	case st.start.Project != project:
		return nil, notFound("run %q does not exist", id)
	}
	return st, nil
}

// Live tells whether a run has not ended. It reads Redis alone.
func (s *Service) Live(ctx context.Context, project, id string) (bool, error) {
	st, err := s.live(ctx, project, id)
	if errors.Is(err, errNotLive) {
		return false, nil
	}
	return err == nil && !st.status.Ended(), err
}

func storeError(err error, id string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return notFound("run %q does not exist", id)
	case errors.Is(err, store.ErrUnavailable):
		return unavailable("the history can't be read: the SQL store does not answer", err)
	}
	return err
}

// Steps returns the records of a run's steps in the order in which they were
// written. The values of all together are bounded; see fillSteps.
func (s *Service) Steps(ctx context.Context, project, id string) ([]schema.StepRecord, error) {
	recs, err := s.steps(ctx, project, id)
	if err != nil {
		return nil, err
	}
	return recs, s.fillSteps(ctx, project, recs, maxPageBytes)
}

// steps returns the records, maybe with references in the place of results.
func (s *Service) steps(ctx context.Context, project, id string) ([]schema.StepRecord, error) {
	st, err := s.live(ctx, project, id)
	if err != nil && !errors.Is(err, errNotLive) {
		return nil, err
	}
	if st == nil {
		if _, err := s.opts.Store.Run(ctx, project, id); err != nil {
			return nil, storeError(err, id)
		}
	}
	written, err := s.opts.Store.Steps(ctx, project, id)
	if err != nil && st == nil {
		return nil, storeError(err, id)
	}
	if st == nil {
		return written, nil
	}
	waiting, err := s.unwritten(ctx, id)
	if err != nil {
		return nil, unavailable("the run's log can't be read: Redis does not answer", err)
	}
	return mergeSteps(written, waiting, st.steps), nil
}

// Cancel asks for a run to be canceled, and returns it as it is then: its
// worker ends it at once, unless it is between two checkpoints.
func (s *Service) Cancel(ctx context.Context, project, id, actor string) (*schema.Run, error) {
	if st, err := s.live(ctx, project, id); err != nil && !errors.Is(err, errNotLive) {
		return nil, err
	} else if st == nil {
		run, err := s.opts.Store.Run(ctx, project, id)
		if err != nil {
			return nil, storeError(err, id)
		}
		return nil, alreadyEnded(run)
	}
	reason := "canceled"
	if actor != "" {
		reason = "canceled by " + actor
	}
	code, err := tell(ctx, s.ledger, s.opts.Queue, id, signal{Kind: "cancel", Reason: reason}, "")
	if err != nil {
		return nil, unavailable("the run can't be reached: Redis does not answer", err)
	}
	run, err := s.Get(ctx, project, id)
	if err != nil {
		return nil, err
	}
	if code == signalEnded {
		return nil, alreadyEnded(run)
	}
	return run, nil
}

func alreadyEnded(run *schema.Run) error {
	return &schema.Problem{
		Type: schema.ProblemConflict, Title: "Conflict", Status: 409,
		Detail: "run " + run.ID + " has ended already: it " + string(run.Status),
	}
}

// Replay starts a new run of the same workflow, in its current revision, with
// the input of an earlier one; from a step on (an id of a top-level step) it
// keeps the results of the steps before it.
func (s *Service) Replay(ctx context.Context, project, id, fromStep, actor string) (*schema.Run, error) {
	return s.replay(ctx, replay{project: project, run: id, from: fromStep, actor: actor})
}

// replay is what a replay is asked to do.
type replay struct {
	project, run, from, actor string
	// key, when set, makes a second replay with the same key answer with the
	// first one's run.
	key string
	// priority, when set, is the new run's in place of its workflow's.
	priority schema.Priority
}

func (s *Service) replay(ctx context.Context, asked replay) (*schema.Run, error) {
	project, id, fromStep := asked.project, asked.run, asked.from
	old, err := s.get(ctx, project, id)
	if err != nil {
		return nil, err
	}
	if old.Input, err = s.value(ctx, project, old.Input); err != nil {
		return nil, notRead("the input of run "+id, err)
	}
	if old.Trigger.Kind == TriggerChunk {
		return nil, &schema.Problem{
			Type: schema.ProblemConflict, Title: "Conflict", Status: 409,
			Detail: "run " + id + " executed a part of a loop of run " + old.Trigger.Parent + "; replay that one",
		}
	}
	req := Request{
		Project: project, Workflow: old.Workflow, Input: old.Input,
		Trigger: old.Trigger, IdempotencyKey: asked.key, User: old.User,
	}
	req.Trigger.Kind, req.Trigger.Actor, req.Trigger.Parent = "replay", asked.actor, id
	wf, err := s.intake.workflow(req)
	if err != nil {
		return nil, err
	}
	var history []schema.StepRecord
	if fromStep != "" {
		recs, err := s.steps(ctx, project, id)
		if err != nil {
			return nil, err
		}
		for i := range recs {
			if recs[i].Result, err = s.value(ctx, project, recs[i].Result); err != nil {
				return nil, notRead("the result of step "+recs[i].Step, err)
			}
		}
		if history, err = before(wf.Workflow, recs, fromStep); err != nil {
			return nil, err
		}
	}
	who, err := s.intake.forUser(ctx, wf, req)
	if err != nil {
		return nil, err
	}
	now := s.opts.Now().UTC()
	req.Trigger.Time = now
	st := &start{
		Project: project, Workflow: wf.Name, Revision: wf.Revision, CreatedAt: now, Trigger: req.Trigger,
		Input: old.Input, Priority: wf.Spec.Priority, Durability: wf.Spec.Durability, User: who,
	}
	if asked.priority != "" {
		st.Priority = asked.priority
	}
	if s.opts.AlwaysDurable {
		st.Durability = schema.DurabilityStore
	}
	input, err := checkInput(wf, old.Input)
	if err != nil {
		return nil, err
	}
	limits, err := limitsOf(wf, st, input)
	if err != nil {
		return nil, err
	}
	newID, _, known, err := s.intake.write(ctx, draft{
		id: NewRunID(now, s.intake.laneFor(req, len(limits) > 0, now)), start: st, idem: asked.key, limits: limits, history: history,
	})
	if err != nil {
		return nil, err
	}
	if known {
		return s.Get(ctx, project, newID)
	}
	shown := state{id: newID, start: *st}
	run := shown.skeleton()
	run.Status = schema.RunQueued
	return run, nil
}
