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
	"paragon/workflows/interpret"
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
	if st.recoveries > maxRecoveries {
		// What stops it killed one more: perhaps to read what it did so far.
		return s.finish(&interpret.End{Status: schema.RunFailed, Error: s.poison()})
	}
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
	if len(s.records) > 0 || s.state.awaits {
		// What has finished is durable before anything new begins outside, and
		// before waiting for what is still under way; so is that a trial begins.
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
