package execution

import (
	"bytes"
	"context"

	"paragon/engine/payload"
	"paragon/engine/seal"
	"paragon/schema"
	"paragon/workflows"
)

// The history in the store has no secrets: where a result held one it has ***,
// while the checkpoint in Redis has it sealed. A run that goes on from its
// history alone must not take the one for the other.

// hidden tells whether a record's result held a secret.
func hidden(rec *schema.StepRecord) bool { return bytes.Contains(rec.Result, []byte(seal.Redacted)) }

// madeAgain tells whether a step's result held a secret and is had again by
// executing the step, under the same idempotency key.
func madeAgain(rec *schema.StepRecord) bool {
	switch workflows.StepKind(rec.Kind) {
	case workflows.StepWaitFor, workflows.StepCall, workflows.StepDelay, workflows.StepEmit, workflows.StepRespond, workflows.StepFail:
		return false
	}
	return hidden(rec)
}

// madeAgain tells whether a step of a run is executed again because its result
// held a secret.
func (in *intake) madeAgain(ctx context.Context, s *start, rec schema.StepRecord) (bool, error) {
	if _, ok := payload.AsRef(rec.Result); ok && in.hides(ctx, s) {
		value, err := in.payloads.Resolve(ctx, s.Project, rec.Result)
		if err != nil {
			return lost(err), ignoreLost(err)
		}
		rec.Result = value
	}
	return madeAgain(&rec) && in.hides(ctx, s), nil
}

// hides tells whether the results of a run may hold secrets: its workflow names
// some, or can't be had.
func (in *intake) hides(ctx context.Context, s *start) bool {
	wf, err := in.config.WorkflowAt(ctx, s.Project, s.Workflow, s.Revision)
	return err != nil || len(wf.Secrets) > 0
}
