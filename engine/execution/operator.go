package execution

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

const (
	// operationsAtOnce is how many operations one process carries out at once.
	operationsAtOnce = 4
	// operationBatch is how many runs have their turn between two writes of the
	// progress, operationWorkers how many of them at once: enough to be quick,
	// and too few to be noticed by what is triggered meanwhile.
	operationBatch   = 100
	operationWorkers = 16
	// operationLease is how long an operation belongs to a process that does not
	// say anything: after it another one goes on.
	operationLease = 15 * time.Second
	// operationPoll is how often a process looks for an operation that another
	// one has left.
	operationPoll = 2 * time.Second
	// maxFailures is how many failures an operation names.
	maxFailures = 20
)

// Operator carries out operations on many runs, those of all processes that
// have died or stopped in the middle of one, too.
type Operator struct {
	service *Service
	owner   string
	log     *slog.Logger

	quit  context.CancelFunc
	loops sync.WaitGroup
}

// NewOperator makes an operator of a service; Start it.
func NewOperator(s *Service) *Operator {
	return &Operator{service: s, owner: NewWorkerID(), log: s.opts.Log}
}

// Start begins to carry out operations.
func (o *Operator) Start(ctx context.Context) {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	o.quit = quit
	for range operationsAtOnce {
		o.loops.Add(1)
		go func() { defer o.loops.Done(); o.follow(loop) }()
	}
}

// Stop leaves the operations under way to others, after the runs whose turn it
// is.
func (o *Operator) Stop() {
	o.quit()
	o.loops.Wait()
}

// follow carries out one operation after the other.
func (o *Operator) follow(ctx context.Context) {
	tick := time.NewTicker(operationPoll)
	defer tick.Stop()
	for {
		now := o.service.opts.Now().UTC()
		op, err := o.service.opts.Steering.LeaseOperation(ctx, o.owner, now, now.Add(operationLease))
		switch {
		case err == nil:
			o.perform(ctx, op)
			continue
		case !errors.Is(err, store.ErrNotFound) && ctx.Err() == nil:
			o.log.WarnContext(ctx, "can't look for operations on many runs; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-o.service.begun:
		case <-tick.C:
		}
	}
}

// task is an operation that this process carries out.
type task struct {
	*Operator
	op store.Operation
	// saved is what was last written of it, which renewing the lease repeats.
	mu    sync.Mutex
	saved store.Operation
}

// perform carries out what is left of an operation. It ends early when somebody
// cancels it, when another process has it, or when ctx is done.
func (o *Operator) perform(ctx context.Context, op *store.Operation) {
	t := &task{Operator: o, op: *op, saved: *op}
	t.log = o.log.With("operation", op.ID, "kind", op.Kind, "project", op.Project)
	held, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Add(1)
	go func() { defer renewing.Done(); t.renew(held, cancel) }()
	t.run(held)
	cancel()
	renewing.Wait()
	if ctx.Err() != nil && !t.op.State.Ended() {
		t.giveBack(ctx)
	}
}

func (t *task) run(ctx context.Context) {
	op := &t.op
	var w wish
	err := json.Unmarshal(op.Request, &w)
	var ids []string
	if err == nil {
		err = patiently(ctx, func() error {
			ids, err = t.service.selected(ctx, op.Project, op.Kind, w.RunsFilter)
			return err
		})
	}
	if err != nil {
		if ctx.Err() == nil {
			t.end(ctx, store.OperationFailed, api.OperationFailure{Error: problemText(err)})
			t.log.WarnContext(ctx, "operation failed", "error", err)
		}
		return
	}
	at, found := slices.BinarySearch(ids, op.Cursor)
	if found {
		at++
	}
	ids = ids[at:]
	op.Total = op.Done + op.Failed + int64(len(ids))
	t.log.InfoContext(ctx, "operation on many runs begins", "by", op.By, "runs", op.Total, "left", len(ids))
	for batch := range slices.Chunk(ids, operationBatch) {
		if !t.turn(ctx, w, batch) || !t.save(ctx) {
			return
		}
	}
	if t.end(ctx, store.OperationDone) {
		t.log.InfoContext(ctx, "operation on many runs ended", "done", op.Done, "failed", op.Failed)
	}
}

// turn does what is to be done to each run of a batch. It reports false when
// ctx ended before all had their turn.
func (t *task) turn(ctx context.Context, w wish, batch []string) bool {
	failed := make([]error, len(batch))
	group := new(errgroup.Group)
	group.SetLimit(operationWorkers)
	for i, id := range batch {
		group.Go(func() error {
			failed[i] = patiently(ctx, func() error { return t.apply(ctx, w, id) })
			return nil
		})
	}
	_ = group.Wait() // the errors are kept in failed
	if ctx.Err() != nil {
		return false
	}
	for i, err := range failed {
		if err == nil {
			t.op.Done++
			continue
		}
		t.op.Failed++
		note(&t.op, api.OperationFailure{Run: batch[i], Error: problemText(err)})
	}
	t.op.Cursor = batch[len(batch)-1]
	return true
}

// apply does what is to be done to one run. Done again, it changes nothing.
func (t *task) apply(ctx context.Context, w wish, id string) error {
	if t.op.Kind == api.OperationCancel {
		_, err := t.service.Cancel(ctx, t.op.Project, id, t.op.By)
		var p *schema.Problem
		if errors.As(err, &p) && p.Type == schema.ProblemConflict {
			return nil // it ended meanwhile
		}
		return err
	}
	_, err := t.service.replay(ctx, replay{
		project: t.op.Project, run: id, from: w.From, actor: t.op.By,
		key: operationKey(t.op.ID, id), priority: schema.PriorityLow,
	})
	return err
}

// renew extends the lease until ctx is done. It calls lost when the operation
// is not this process' any more.
func (t *task) renew(ctx context.Context, lost func()) {
	tick := time.NewTicker(operationLease / 5)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		t.mu.Lock()
		held, err := t.write(ctx, t.saved, operationLease)
		t.mu.Unlock()
		if err == nil && !held {
			lost()
			return
		}
	}
}

// save writes the progress and extends the lease. It reports whether the
// operation is still this process' to carry out.
func (t *task) save(ctx context.Context) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	held := false
	err := patiently(ctx, func() (err error) {
		t.op.UpdatedAt = t.service.opts.Now().UTC()
		held, err = t.write(ctx, t.op, operationLease)
		return err
	})
	if err != nil && ctx.Err() == nil {
		t.log.WarnContext(ctx, "the progress of an operation can't be written", "error", err)
	}
	t.saved = t.op
	return err == nil && held
}

func (t *task) write(ctx context.Context, op store.Operation, lease time.Duration) (bool, error) {
	return t.service.opts.Steering.SaveOperation(ctx, t.owner, op, t.service.opts.Now().UTC().Add(lease))
}

// giveBack lets another process go on at once.
func (t *task) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := t.write(ctx, t.saved, 0); err != nil {
		t.log.WarnContext(ctx, "an operation could not be given back; another process takes it after its lease", "error", err)
	}
}

func (t *task) end(ctx context.Context, state store.OperationState, failures ...api.OperationFailure) bool {
	t.op.State, t.op.EndedAt = state, t.service.opts.Now().UTC()
	note(&t.op, failures...)
	return t.save(ctx)
}

// note adds to the failures that an operation names.
func note(op *store.Operation, failures ...api.OperationFailure) {
	if len(failures) == 0 {
		return
	}
	var named []api.OperationFailure
	_ = json.Unmarshal(op.Failures, &named) // nothing yet, or what this wrote
	named = append(named, failures...)
	if raw, err := json.Marshal(named[:min(len(named), maxFailures)]); err == nil {
		op.Failures = raw
	}
}

// patiently calls f until it succeeds or fails for another reason than that
// Redis or the store does not answer, or ctx is done.
func patiently(ctx context.Context, f func() error) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		err := f()
		var p *schema.Problem
		away := errors.Is(err, store.ErrUnavailable) || errors.As(err, &p) && p.Type == schema.ProblemUnavailable
		if err == nil || !away {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// problemText is an error as somebody who asked for the operation reads it.
func problemText(err error) string {
	var p *schema.Problem
	if errors.As(err, &p) {
		return p.Detail
	}
	return err.Error()
}
