package execution

import (
	"context"
	"runtime/debug"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
	"paragon/workflows/steps"
)

// alone tells whether there is one attempt to make and nothing else can happen
// in the run while it lasts but a wish to cancel: no other step's timer comes
// due, and none waits for word from outside.
func (s *segment) alone(d interpret.Decision) bool {
	if len(s.todo) != 1 || len(d.Events) > 0 || len(d.Calls) > 0 {
		return false
	}
	limit := s.todo[0].Step.Timeout // 0: an integration knows it
	return d.Wake.IsZero() || limit > 0 && s.w.opts.Now().Add(limit).Before(d.Wake)
}

// performHere makes the one attempt that there is to make, in the segment's own
// goroutine. A signal that must end it cancels it from outside; see interrupt.
func (s *segment) performHere(action interpret.Action) error {
	ctx, cancel := context.WithCancel(s.w.ctx)
	defer cancel()
	s.here.Store(&cancel)
	if len(s.nudges) > 0 {
		s.interrupt() // what came before the attempt could be interrupted
	}
	out := s.attemptOutcome(ctx, action)
	s.here.Store(nil)
	s.heard(action.Path, out)
	select {
	case <-s.nudges:
		return s.reload()
	default:
		return nil
	}
}

// interrupt ends the attempt that the segment makes in its own goroutine when
// the run's mailbox says that it is to be canceled.
func (s *segment) interrupt() {
	cancel := s.here.Load()
	if cancel == nil {
		return
	}
	st, err := s.w.ledger.load(s.w.writes, s.state.id)
	if err != nil || st == nil {
		return // the next commit or park finds the signal
	}
	for _, m := range st.mail {
		if m.signal.Kind == "cancel" {
			(*cancel)()
		}
	}
}

// perform begins an attempt; its outcome comes on s.outcomes.
func (s *segment) perform(action interpret.Action) {
	ctx, cancel := context.WithCancel(s.w.ctx)
	if s.outcomes == nil {
		s.outcomes, s.effects = make(chan outcome, 4), map[string]context.CancelFunc{}
	}
	s.effects[action.Path] = cancel
	s.under.Add(1)
	go func() {
		defer s.under.Done()
		out := outcome{path: action.Path, out: s.attemptOutcome(ctx, action)}
		select {
		case s.outcomes <- out:
		case <-ctx.Done():
			// Aborted, or the segment is over: unless it still listens, nobody
			// wants the outcome.
			select {
			case s.outcomes <- out:
			default:
			}
		}
	}()
}

// attemptOutcome makes an attempt.
func (s *segment) attemptOutcome(ctx context.Context, action interpret.Action) interpret.Outcome {
	call := steps.Call{
		Step: action.Step, Scope: action.Scope,
		Project: s.state.start.Project, Run: s.state.id, Path: action.Path, Attempt: action.Attempt, User: s.state.start.userID(),
		IdempotencyKey: s.state.id + "/" + action.Path,
		TraceParent:    s.state.start.TraceParent,
		Redact:         s.redact.String,
	}
	s.countAttempt(action)
	ctx, span := s.traceAttempt(ctx, &call)
	started := s.w.opts.Now().UTC()
	outside := action.Step.Kind == workflows.StepRequest
	if outside {
		s.calls.begin(started)
	}
	result, called := s.w.attempt(ctx, s, call, action.Chunk)
	s.attempted(&call, &result, span, started)
	ended := s.w.opts.Now().UTC()
	if outside {
		s.calls.end(ended)
	}
	return interpret.Outcome{
		Result: result.Result, Fatal: result.Fatal, Interrupted: result.Interrupted, Called: called,
		Attempt: schema.Attempt{
			StartedAt: started, EndedAt: ended,
			Request: result.Request, Response: result.Response,
			Error: result.Err, RetryAfter: schema.Duration(result.RetryAfter),
		},
	}
}

// attempt performs one attempt. A panic of a performer fails the attempt, not
// the worker.
func (w *Worker) attempt(ctx context.Context, s *segment, call steps.Call, chunk *interpret.Chunk) (out steps.Outcome, called string) {
	defer func() {
		if p := recover(); p != nil {
			s.log().Error("panic in a step", "step", call.Path, "attempt", call.Attempt, "panic", p, "stack", string(debug.Stack()))
			out, called = steps.Outcome{Err: &schema.RunError{Type: "internal", Message: "the step failed inside Paragon; the worker's log has the rest"}}, ""
		}
	}()
	switch call.Step.Kind {
	case interpret.KindChunk:
		return w.performChunk(ctx, s, call, chunk)
	case workflows.StepCall:
		return w.performCall(ctx, s, call)
	case workflows.StepEmit:
		return w.performEmit(ctx, s, call), ""
	}
	performer := w.opts.Performers[call.Step.Kind]
	if performer == nil {
		return steps.Outcome{Fatal: true, Err: &schema.RunError{Type: "internal", Message: "this worker can't perform steps of kind " + string(call.Step.Kind)}}, ""
	}
	return performer.Perform(ctx, call), ""
}
