package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"paragon/engine/cache"
	"paragon/engine/payload"
	"paragon/engine/record"
	"paragon/engine/seal"
	"paragon/engine/tracing"
	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
	"paragon/workflows/steps"
)

// segment is one stay of a run on a worker: from its claim until it ends, must
// wait, or is given back. It is one goroutine's, but for nudge and the effects
// that run at the same time.
type segment struct {
	w       *Worker
	state   *state
	wf      *cache.Workflow
	secrets map[string]any // those that the workflow names
	redact  *seal.Redactor

	machine *interpret.Machine
	serial  int   // of the next commit
	seq     int64 // of the next log row
	// records wait to be written with the next checkpoint; consumed names the
	// mailbox fields that go with it.
	records  []schema.StepRecord
	consumed []string
	mail     []mail // signals that nothing took yet
	seen     int64  // how many signals were read

	nudges   chan struct{}
	outcomes chan outcome                       // nil until an effect runs beside the segment
	here     atomic.Pointer[context.CancelFunc] // ends the attempt in the segment's own goroutine
	todo     []interpret.Action                 // decided, not begun
	effects  map[string]context.CancelFunc
	under    sync.WaitGroup // one count an effect under way
	calls    calls          // those under way
	spared   bool           // it holds no place on the worker, whose mutex this is of
	said     bool           // the response is recorded
	doubt    *doubt         // what its last worker may have died of; nil once nothing
	waits    []string       // the events that the run is registered for

	traced tracing.RunSpan
	span   tracing.Span // of the segment
}

type outcome struct {
	path string
	out  interpret.Outcome
}

func newSegment(w *Worker, st *state) *segment {
	return &segment{
		w: w, state: st,
		// A run has up to a million rows a segment before sequences meet.
		seq:    st.fence<<20 + 1,
		nudges: make(chan struct{}, 1),
	}
}

// nudge says that the run's mailbox has something new.
func (s *segment) nudge() {
	select {
	case s.nudges <- struct{}{}:
	default:
	}
}

// run executes the segment.
func (s *segment) run() {
	s.countStart()
	s.traceStart()
	if s.state.recoveries > 0 {
		defer s.w.trials.leave(s)
	}
	failed := ""
	defer func() { s.span.End(failed) }()
	defer func() {
		if p := recover(); p != nil {
			// A bug of ours in one run must not end the others. The run stays
			// claimed by this worker; reconcile gives it back, and if it does
			// this again it counts as poison.
			failed = "panic"
			s.log().Error("panic in a run", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	defer s.under.Wait()
	err := s.open()
	if err == nil {
		err = s.loop()
	}
	for path := range s.effects {
		s.forgetEffect(path)
	}
	switch {
	case s.w.ctx.Err() != nil: // the storage answers to no worker that stops
	case errors.Is(err, payload.ErrTooLarge):
		err = s.outgrown(err)
	case errors.Is(err, payload.ErrUnavailable):
		err = s.setAside(err)
	}
	switch {
	case err == nil, errors.Is(err, errFenced):
	case s.w.ctx.Err() != nil:
		// Shutdown while Redis is away: the reaper takes the run.
	default:
		failed = "stopped"
		s.log().Error("a run stopped; another worker will take it", "error", err)
	}
}

// open builds the machine from what Redis holds of the run.
func (s *segment) open() error {
	st := s.state
	if st.damage != nil {
		// No worker will ever execute it.
		s.log().Error("a run can't be read, and fails", "error", st.damage)
		return s.finish(&interpret.End{Status: schema.RunFailed, Error: damaged(st)})
	}
	wf, err := s.w.opts.Config.WorkflowAt(s.w.ctx, st.start.Project, st.start.Workflow, st.start.Revision)
	if err == nil && wf.Broken != nil {
		err = fmt.Errorf("workflow %s, revision %d can't run in this version: %w", wf.Name, wf.Revision, wf.Broken)
	}
	if err != nil {
		return s.postpone(err)
	}
	s.wf = wf
	s.secrets, s.redact = s.plaintexts(wf)
	in, err := s.input(st)
	if err != nil {
		return s.unreadable(err)
	}
	history, err := s.opened(st)
	if err != nil {
		return s.unreadable(err)
	}
	if st.start.Chunk != nil {
		s.machine, err = s.partOf(in, history)
		if errors.Is(err, errWholeAway) {
			return s.postpone(err)
		}
		if err != nil {
			return s.unreadable(err)
		}
	} else {
		in.SpreadAbove = spreadAbove
		s.machine = interpret.New(in, history)
	}
	s.doubtful()
	s.said = st.response != nil
	s.receive(st)
	return s.stopForUser()
}

// input is what is fixed of a run of the segment's workflow.
func (s *segment) input(st *state) (interpret.Input, error) {
	in := interpret.Input{
		Workflow: s.wf.Workflow, ID: st.id, Project: st.start.Project, Revision: st.start.Revision,
		CreatedAt: st.start.CreatedAt, Trigger: st.start.Trigger, Secrets: s.secrets, Person: interpret.PersonOf(st.start.User),
	}
	if err := fetchInput(s.w.writes, s.w.opts.Payloads, &st.start); err != nil {
		return in, err
	}
	if err := json.Unmarshal(st.start.Input, &in.Input); err != nil {
		return in, fmt.Errorf("the input of run %s in Redis: %w", st.id, err)
	}
	return in, nil
}

// plaintexts are the values of the secrets that the workflow names, and what
// hides them.
func (s *segment) plaintexts(wf *cache.Workflow) (map[string]any, *seal.Redactor) {
	if len(wf.Secrets) == 0 {
		return nil, nil
	}
	project := s.w.opts.Config.Project(wf.Project)
	values := make(map[string]any, len(wf.Secrets))
	if project == nil {
		return values, nil
	}
	for _, name := range wf.Secrets {
		if value, ok := project.Secret(name); ok {
			values[name] = value
		}
	}
	return values, project.Redactor()
}

// opened is a run's records, with those opened that hold a secret.
func (s *segment) opened(st *state) ([]schema.StepRecord, error) {
	recs := st.steps
	for i := range recs {
		stored, sealed := st.sealed[recs[i].Path]
		if !sealed {
			stored = recs[i].Result
		}
		value, err := s.resolve(stored)
		if err != nil {
			return nil, fmt.Errorf("the result of step %s: %w", recs[i].Path, err)
		}
		if !sealed {
			recs[i].Result = value
			continue
		}
		plain, err := s.w.opts.Config.Open(st.start.Project, value, st.id+"/"+recs[i].Path)
		if err != nil {
			return nil, fmt.Errorf("open the checkpoint of step %s: %w", recs[i].Path, err)
		}
		recs[i] = schema.StepRecord{}
		if err := record.ParseStep(string(plain), &recs[i]); err != nil {
			return nil, fmt.Errorf("read the checkpoint of a step: %w", err)
		}
	}
	return recs, nil
}

// postpone gives the run back for a while since its workflow, or the run that it
// is a part of, can't be had now.
func (s *segment) postpone(cause error) error {
	s.log().Warn("a run waits for what it needs to begin", "error", cause)
	_, err := s.commit(way{kind: wayPark, wake: s.w.opts.Now().Add(2 * time.Second), seen: s.state.signalCount})
	return err
}

// loop follows the machine until the segment is over.
func (s *segment) loop() error {
	if s.machine == nil {
		return nil // postponed, or it can't be read
	}
	for {
		d := s.machine.Next(s.w.opts.Now())
		s.records = append(s.records, d.Records...)
		s.todo = append(s.todo, d.Perform...)
		for _, path := range d.Abort {
			s.forgetEffect(path)
			s.doubt.ended(path)
		}
		if err := s.cancelChunks(d.Cancel); err != nil {
			return err
		}
		if d.End != nil {
			return s.finish(d.End)
		}
		if taken, err := s.deliver(d); err != nil {
			return err
		} else if taken {
			continue
		}
		over, err := s.goOn(d)
		if over || err != nil {
			return err
		}
	}
}

// goOn does what the machine decided, and waits until there is something to
// decide. It reports whether the segment is over.
func (s *segment) goOn(d interpret.Decision) (over bool, err error) {
	switch {
	case len(s.todo) == 0 && len(s.effects) == 0:
		s.doubt.begin(nil)
		return s.park(d)
	case s.w.stopping():
		return s.drain()
	}
	if made, over, err := s.makeWay(d); made {
		return over, err
	}
	if s.onTrial() {
		if begins, later := s.w.trials.begins(s, s.w.opts.Now()); later {
			return false, s.await(begins)
		}
	}
	s.doubt.begin(s.todo)
	if len(s.records) > 0 {
		// What has finished is durable before anything new begins outside, and
		// before waiting for what is still under way.
		if _, err := s.commit(way{kind: wayGo}); err != nil {
			return true, err
		}
	}
	if len(s.effects) == 0 && s.alone(d) {
		action := s.todo[0]
		s.todo = s.todo[:0]
		return false, s.performHere(action)
	}
	for _, action := range s.todo {
		s.perform(action)
	}
	s.todo = s.todo[:0]
	return false, s.await(d.Wake)
}

// await waits until something happened that the machine must hear of.
func (s *segment) await(wake time.Time) error {
	timer := time.NewTimer(max(wake.Sub(s.w.opts.Now()), 0))
	defer timer.Stop()
	select {
	case o := <-s.outcomes:
		s.complete(o)
		for {
			select {
			case o := <-s.outcomes:
				s.complete(o)
				continue
			default:
			}
			return nil
		}
	case <-s.nudges:
		return s.reload()
	case <-timer.C:
		return nil
	}
}

func (s *segment) complete(o outcome) {
	s.forgetEffect(o.path)
	s.heard(o.path, o.out)
}

func (s *segment) heard(path string, out interpret.Outcome) {
	if !out.Interrupted {
		s.doubt.ended(path)
	}
	s.machine.Complete(path, out)
}

// forgetEffect ends an effect whose outcome is not wanted any more, or is here.
func (s *segment) forgetEffect(path string) {
	s.todo = slices.DeleteFunc(s.todo, func(a interpret.Action) bool { return a.Path == path })
	if cancel := s.effects[path]; cancel != nil {
		cancel()
		delete(s.effects, path)
	}
}

// park leaves the run to a timer or a signal. It reports false when signals
// came meanwhile: the run goes on with them.
func (s *segment) park(d interpret.Decision) (bool, error) {
	if err := s.registerWaits(d.Events); err != nil {
		return true, err
	}
	signals, err := s.commit(way{kind: wayPark, wake: d.Wake, seen: s.seen})
	if err != nil || !signals {
		return true, err
	}
	return false, s.reload()
}

// drain begins nothing new; once nothing is under way the run is given back.
func (s *segment) drain() (over bool, err error) {
	s.leaveUndone()
	if len(s.effects) > 0 {
		if len(s.records) > 0 {
			if _, err := s.commit(way{kind: wayGo}); err != nil {
				return true, err
			}
		}
		return false, s.await(s.w.opts.Now().Add(time.Second))
	}
	if _, err := s.commit(way{kind: wayRelease}); err != nil {
		return true, err
	}
	ln := s.w.ledger.lane(s.state.id)
	return true, enqueueJobs(s.w.writes, s.w.opts.Queue, ln, []job{{id: s.state.id, priority: s.state.start.priority()}})
}

// leaveUndone begins none of what was decided, which charges no attempt.
func (s *segment) leaveUndone() {
	for _, action := range s.todo {
		s.machine.Complete(action.Path, interpret.Outcome{Interrupted: true})
	}
	s.todo = nil
}

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
