package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/workflows/interpret"
	"paragon/workflows/steps"
)

// spreadAbove is how many items a forEach may have before it is spread over
// runs of their own.
const spreadAbove = 1000

// TriggerChunk is the trigger of a run that executes a chunk of another run's
// forEach. Trigger.Parent names that run, Trigger.ID the loop's path.
const TriggerChunk = "chunk"

// chunkStart is the start of the run that executes a chunk of another run's loop
// for a step of that, and the idempotency key that it is accepted under.
func chunkStart(of *start, by caller, chunk *interpret.Chunk, now time.Time) (st *start, key string) {
	return &start{
		Project: of.Project, Workflow: of.Workflow, Revision: of.Revision, CreatedAt: now,
		Trigger: schema.Trigger{Kind: TriggerChunk, ID: chunk.Path, Parent: by.Run, Time: now},
		Input:   of.Input, Priority: of.Priority, Durability: of.Durability, TraceParent: of.TraceParent, User: of.User,
		Caller: &by, Chunk: chunk,
	}, "chunk/" + by.Run + "/" + by.Path
}

// performChunk starts the run of a chunk. Done again, it finds the one that it
// started.
func (w *Worker) performChunk(ctx context.Context, s *segment, call steps.Call, chunk *interpret.Chunk) (steps.Outcome, string) {
	of := &s.state.start
	now := w.opts.Now().UTC()
	st, key := chunkStart(of, caller{Run: call.Run, Path: call.Path}, chunk, now)
	st.TraceParent = call.TraceParent
	lane := w.intake.laneFor(Request{Project: of.Project, Workflow: of.Workflow, IdempotencyKey: key}, false, now)
	id := NewRunID(now, lane)
	if of.Durability == schema.DurabilityStore && w.intake.durable == nil {
		// The store does not know of the chunk until its caller's record is
		// there: should Redis lose both before, the far side must be told the
		// same idempotency keys again.
		id = sameRunID(of.CreatedAt, lane, key)
	}
	id, _, _, err := w.intake.write(ctx, draft{id: id, start: st, idem: key})
	if err != nil {
		return w.failedInside(ctx, err), ""
	}
	return steps.Outcome{}, id
}

// recallChunk puts the lost run of a chunk back into Redis, with the steps that
// the store knows to be finished. That is done before its whole run is there, so
// that an attempt that was cut off is made again: it waits for it.
func (in *intake) recallChunk(ctx context.Context, of *start, by caller, id string, chunk *interpret.Chunk) error {
	if err := ignoreLost(fetchInput(ctx, in.payloads, of)); err != nil {
		return err
	}
	st, key := chunkStart(of, by, chunk, in.now().UTC())
	history, missed, err := in.recall(ctx, id, st)
	if err != nil {
		return err
	}
	d := draft{id: id, start: st, idem: key, history: history}
	if err := in.shelve(ctx, &d); err != nil {
		return err
	}
	if _, err := in.putBack(ctx, d); err != nil {
		return err
	}
	return in.tellEnds(ctx, id, missed...)
}

// cameHidden tells whether the results of a chunk's run held a secret, so that
// what the store has of them can't be gone on with.
func (in *intake) cameHidden(ctx context.Context, of *start, word *signal) (bool, error) {
	output := word.Output
	if word.OutputAt != "" {
		output = json.RawMessage(word.OutputAt)
	}
	return in.madeAgain(ctx, of, schema.StepRecord{Kind: string(interpret.KindChunk), Result: output})
}

// errWholeAway says that the run of which this is a part can't be found, or not
// yet in the loop: it is put back from the store, which has no open loops.
var errWholeAway = errors.New("the run of which it is a part has not come back yet")

// knows tells whether a run has a record of a step.
func (s *state) knows(path string) bool {
	return slices.ContainsFunc(s.steps, func(rec schema.StepRecord) bool { return rec.Path == path })
}

// partOf builds the machine of a chunk's run from the run that it is a part of.
func (s *segment) partOf(in interpret.Input, history []schema.StepRecord) (*interpret.Machine, error) {
	parent := s.state.start.Trigger.Parent
	var st *state
	err := persist(s.w.writes, func() (err error) {
		st, err = s.w.ledger.load(s.w.writes, parent)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load run %s, of which this is a part: %w", parent, err)
	}
	if st != nil && st.damage == nil && !st.status.Ended() {
		records, err := s.opened(st)
		if err != nil {
			return nil, err
		}
		whole, err := s.input(st)
		if err != nil {
			return nil, err
		}
		m, err := interpret.NewChunk(in, whole, records, *s.state.start.Chunk, history)
		if err == nil {
			return m, nil
		}
	}
	if st == nil || st.damage == nil && !st.status.Ended() && !st.knows(s.state.start.Chunk.Path) {
		if comes, err := s.comesBack(parent); err != nil {
			return nil, err
		} else if comes {
			return nil, errWholeAway
		}
	}
	m := interpret.New(in, history)
	m.Cancel("run " + parent + ", of which this is a part, has gone on without it")
	return m, nil
}

// comesBack tells whether a run of which this is a part, and which Redis has lost,
// goes on from what the store has. One that ends cancels its chunks first.
func (s *segment) comesBack(parent string) (bool, error) {
	canceled := func(m mail) bool { return m.signal.Kind == "cancel" }
	if s.state.start.Durability != schema.DurabilityStore || slices.ContainsFunc(s.state.mail, canceled) {
		return false, nil
	}
	if s.w.opts.Store == nil {
		return true, nil
	}
	_, err := s.w.opts.Store.Run(s.w.writes, s.state.start.Project, parent)
	if errors.Is(err, store.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// cancelChunks ends runs whose results are no longer wanted. It is done before
// what says so is durable, and again by who takes the run over.
func (s *segment) cancelChunks(ids []string) error {
	for _, id := range ids {
		err := persist(s.w.writes, func() error {
			_, err := tell(s.w.writes, s.w.ledger, s.w.opts.Queue, id,
				signal{Kind: "cancel", Reason: "canceled with run " + s.state.id + ", of which it is a part"}, "parent")
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
