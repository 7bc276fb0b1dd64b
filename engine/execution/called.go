package execution

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"paragon/engine/record"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/workflows/interpret"
	"paragon/workflows/steps"
)

// recall reads what the store knows of a run that Redis has lost: the latest
// record of each step, of a replay those that it began with, too, and the words
// of called runs that the run may have missed, to be told once it is back. The
// lost runs of its chunks are put back, too, and wait for it. A call whose run is nowhere any more is left out: it is
// made again, under the same idempotency key.
func (in *intake) recall(ctx context.Context, id string, s *start) (history []schema.StepRecord, missed []signal, err error) {
	recs, err := in.runs.Steps(ctx, s.Project, id)
	if err != nil {
		return nil, nil, err
	}
	own := latest(recs)
	for _, raw := range s.History {
		var rec schema.StepRecord
		if err := record.ParseStep(string(raw), &rec); err != nil {
			return nil, nil, fmt.Errorf("what run %s began with: %w", id, err)
		}
		if !slices.ContainsFunc(own, func(r schema.StepRecord) bool { return r.Path == rec.Path }) {
			history = append(history, rec)
		}
	}
	for _, rec := range own {
		if again, err := in.madeAgain(ctx, s, rec); err != nil {
			return nil, nil, err
		} else if again {
			continue
		}
		if called, chunk := interpret.Called(&rec); called != "" {
			st, err := in.ledger.load(ctx, called)
			if err != nil {
				return nil, nil, err
			}
			if st == nil {
				word, err := in.endOf(ctx, s.Project, called, caller{Run: id, Path: rec.Path})
				if err != nil {
					return nil, nil, err
				}
				if chunk != nil && word != nil {
					if again, err := in.cameHidden(ctx, s, word); err != nil {
						return nil, nil, err
					} else if again {
						word = nil
					}
				}
				switch {
				case word != nil:
					missed = append(missed, *word)
				case chunk != nil && in.ledger.lane(called) != nil:
					if err := in.recallChunk(ctx, s, caller{Run: id, Path: rec.Path}, called, chunk); err != nil {
						return nil, nil, err
					}
				default:
					continue
				}
			}
		}
		history = append(history, rec)
	}
	return history, missed, nil
}

// endOf is what a step is to be told of a run that has ended in the store; nil
// while it has not.
func (in *intake) endOf(ctx context.Context, project, id string, by caller) (*signal, error) {
	run, err := in.runs.Run(ctx, project, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return in.wordOf(ctx, run, by)
}

// tellEnds tells a run that runs that it called have ended.
func (in *intake) tellEnds(ctx context.Context, caller string, words ...signal) error {
	for _, word := range words {
		if _, err := tell(ctx, in.ledger, in.queue, caller, word, "called/"+word.Run); err != nil {
			return err
		}
	}
	return nil
}

// hearOf sees to it that a run hears of one that it called before: that may
// have ended while Redis had lost the caller, so that nobody could be told.
// Lost says that it has, and that its end can't be read here.
func (w *Worker) hearOf(ctx context.Context, call steps.Call, id string) (lost bool, err error) {
	called, err := w.ledger.load(ctx, id)
	if err != nil {
		return false, err
	}
	if called != nil && called.ended == "" {
		return false, nil // its word will come
	}
	var word *signal
	by := caller{Run: call.Run, Path: call.Path}
	switch {
	case called != nil:
		run, err := called.run()
		if err != nil {
			return false, err
		}
		if word, err = w.intake.wordOf(ctx, run, by); err != nil {
			return false, err
		}
	case w.opts.Store != nil:
		if word, err = w.intake.endOf(ctx, call.Project, id, by); err != nil {
			return false, err
		}
	}
	if word != nil {
		return false, w.intake.tellEnds(ctx, call.Run, *word)
	}
	waits, err := w.ledger.load(ctx, call.Run)
	if err != nil || waits == nil {
		return false, err
	}
	return !slices.ContainsFunc(waits.mail, func(m mail) bool { return m.signal.Run == id }), nil
}
