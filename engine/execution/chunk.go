package execution

import (
	"context"
	"fmt"

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

// spreads is from how many items on a run's loops are spread. What a worker
// starts is in Redis only, so a run that must outlive Redis executes its loops
// itself.
func (s *segment) spreads() int {
	if s.state.start.Durability == schema.DurabilityStore {
		return 0
	}
	return spreadAbove
}

// performChunk starts the run of a chunk. Done again, it finds the one that it
// started.
func (w *Worker) performChunk(ctx context.Context, s *segment, call steps.Call, chunk *interpret.Chunk) (steps.Outcome, string) {
	of := &s.state.start
	now := w.opts.Now().UTC()
	st := &start{
		Project: of.Project, Workflow: of.Workflow, Revision: of.Revision, CreatedAt: now,
		Trigger: schema.Trigger{Kind: TriggerChunk, ID: chunk.Path, Parent: call.Run, Time: now},
		Input:   of.Input, Priority: of.Priority, Durability: of.Durability, TraceParent: call.TraceParent, User: of.User,
		Caller: &caller{Run: call.Run, Path: call.Path}, Chunk: chunk,
	}
	key := "chunk/" + call.IdempotencyKey
	lane := w.intake.laneFor(Request{Project: of.Project, Workflow: of.Workflow, IdempotencyKey: key}, false, now)
	id, _, _, err := w.intake.write(ctx, draft{id: NewRunID(now, lane), start: st, idem: key})
	if err != nil {
		return w.failedInside(ctx, err), ""
	}
	return steps.Outcome{}, id
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
	m := interpret.New(in, history)
	m.Cancel("run " + parent + ", of which this is a part, has gone on without it")
	return m, nil
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
