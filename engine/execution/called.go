package execution

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
	"paragon/workflows/steps"
)

// calledRun is the run that a record waits for; empty for none.
func calledRun(rec *schema.StepRecord) string {
	if rec.Status != schema.StepWaiting || rec.Kind != string(workflows.StepCall) && rec.Kind != string(interpret.KindChunk) {
		return ""
	}
	var called struct{ ID string }
	if json.Unmarshal(rec.Result, &called) != nil {
		return ""
	}
	return called.ID
}

// recall reads what the store knows of a run that Redis has lost: the latest
// record of each step, and the words of called runs that the run may have
// missed, to be told once it is back. A call whose run is nowhere any more is
// left out: it is made again, under the same idempotency key.
func (in *intake) recall(ctx context.Context, id string, s *start) (history []schema.StepRecord, missed []signal, err error) {
	recs, err := in.runs.Steps(ctx, s.Project, id)
	if err != nil {
		return nil, nil, err
	}
	for _, rec := range latest(recs) {
		if madeAgain(&rec) && in.hides(ctx, s) {
			continue
		}
		if called := calledRun(&rec); called != "" {
			st, err := in.ledger.load(ctx, called)
			if err != nil {
				return nil, nil, err
			}
			if st == nil {
				word, err := endOf(ctx, in.runs, s.Project, called, rec.Path)
				if err != nil {
					return nil, nil, err
				}
				if word == nil {
					continue
				}
				missed = append(missed, *word)
			}
		}
		history = append(history, rec)
	}
	return history, missed, nil
}

// endOf is what the step of a path is to be told of a run that has ended in the
// store; nil while it has not.
func endOf(ctx context.Context, runs store.Runs, project, id, path string) (*signal, error) {
	run, err := runs.Run(ctx, project, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return wordOf(run, path), nil
}

func wordOf(run *schema.Run, path string) *signal {
	return &signal{Kind: "called", Path: path, Run: run.ID, Status: run.Status, Output: run.Output, Error: run.Error}
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
	switch {
	case called != nil:
		run, err := called.run()
		if err != nil {
			return false, err
		}
		word = wordOf(run, call.Path)
	case w.opts.Store != nil:
		if word, err = endOf(ctx, w.opts.Store, call.Project, id, call.Path); err != nil {
			return false, err
		}
	}
	if word != nil {
		return false, w.intake.tellEnds(ctx, call.Run, *word)
	}
	caller, err := w.ledger.load(ctx, call.Run)
	if err != nil || caller == nil {
		return false, err
	}
	return !slices.ContainsFunc(caller.mail, func(m mail) bool { return m.signal.Run == id }), nil
}
