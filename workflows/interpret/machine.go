package interpret

import (
	"encoding/json"
	"maps"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

// Input is what is fixed for the whole of a run.
type Input struct {
	Workflow *workflows.Workflow
	// ID, Project and Revision identify the run.
	ID, Project string
	Revision    int64
	CreatedAt   time.Time
	Trigger     schema.Trigger
	// Input is a JSON value.
	Input any
	// Secrets holds the plaintext of the secrets that the workflow names.
	Secrets map[string]any
	// Person is the user whom the run is for.
	Person
	// SpreadAbove is from how many items on a forEach is spread over runs of
	// their own; 0 is never.
	SpreadAbove int
}

// Decision is what happens next. The records must be durable before any of the
// actions begins.
type Decision struct {
	// Records are the steps that changed since the decision before.
	Records []schema.StepRecord
	// Perform lists the effects to begin now; they may run at the same time.
	Perform []Action
	// Abort lists the paths of effects under way whose outcome is no longer
	// wanted.
	Abort []string
	// Wake is when the next decision is due if nothing else happens. It is set
	// as long as the run has not ended.
	Wake time.Time
	// Events lists the events waited for.
	Events []EventWait
	// Calls lists the called runs waited for.
	Calls []CallWait
	// Cancel lists the runs of chunks whose results are no longer wanted. They
	// are to be canceled before the records become durable.
	Cancel []string
	// End is set once, when the run has ended. The other fields but Records
	// and Abort are empty then.
	End *End
}

// Action is an attempt at a step's effect.
type Action struct {
	Step *workflows.Step
	Path string
	// Attempt counts from 1.
	Attempt int
	Scope   *workflows.Scope
	// Chunk is set for actions of KindChunk: the part of the loop that a run is
	// to be started for.
	Chunk *Chunk
}

// EventWait is a wait for an event.
type EventWait struct {
	Path string
	// Name is the event's name.
	Name string
	// Since is when the wait began: an event received before it is not meant.
	Since time.Time
}

// CallWait is a wait for a called run's end.
type CallWait struct {
	Path string
	Run  string
}

// End is how a run ended.
type End struct {
	Status schema.RunStatus
	Output json.RawMessage
	Error  *schema.RunError
}

// Outcome is how an attempt at an effect ended.
type Outcome struct {
	Attempt schema.Attempt
	// Result is the step's result, when Attempt.Error is nil.
	Result json.RawMessage
	// Fatal says that another attempt can't end otherwise.
	Fatal bool
	// Interrupted says that the attempt was cut short from outside and counts
	// as none.
	Interrupted bool
	// Called is the run that a call step started and waits for.
	Called string
}

// Machine decides for one run. It is not safe for concurrent use.
type Machine struct {
	in       Input
	history  map[string]*schema.StepRecord
	root     *block
	failure  *block // spec.onFailure, once the run has failed
	cause    *schema.RunError
	deadline time.Time
	lastly   time.Time // the deadline of the onFailure steps
	canceled *schema.RunError
	response *schema.StepRecord
	inflight map[string]*node
	loans    map[*workflows.Scope]*loan
	ended    bool
	// late says that the run had failed or run out of time before it was
	// restored.
	late bool
	// part is set for a run that executes a chunk of another's loop, over values.
	part   *Chunk
	values []any
	// frozen makes advance take over what is known and begin nothing.
	frozen bool

	// pending holds records of what completed since the last decision.
	pending []schema.StepRecord

	// what the decision under construction collects
	now      time.Time
	records  []schema.StepRecord
	decision *Decision
	attempts int
}

// New returns the machine of a run whose steps so far are history: the latest
// record of each path, in any order.
func New(in Input, history []schema.StepRecord) *Machine {
	m := &Machine{
		in:       in,
		inflight: map[string]*node{},
		loans:    map[*workflows.Scope]*loan{},
		deadline: in.CreatedAt.Add(in.Workflow.Timeout),
	}
	// What reports a failure may take as long again, and at least a day: a
	// short timeout must not keep an alert from being tried again.
	m.lastly = m.deadline.Add(max(in.Workflow.Timeout, 24*time.Hour))
	if len(history) > 0 {
		m.history = make(map[string]*schema.StepRecord, len(history))
		for i := range history {
			rec := &history[i]
			m.history[rec.Path] = rec
			m.attempts += max(rec.Attempt, 0)
			m.recallResponse(rec)
			m.late = m.late || rec.Status == schema.StepCanceled && !rec.EndedAt.Before(m.deadline)
		}
		for _, step := range in.Workflow.OnFailure {
			m.late = m.late || m.history[step.ID] != nil
		}
	}
	m.root = &block{steps: in.Workflow.Steps, scope: m.rootScope()}
	return m
}

// Attempts is how many attempts of steps the run has made.
func (m *Machine) Attempts() int { return m.attempts }

// Response is what the respond step said so far ({status, headers, body}), nil
// when none has run.
func (m *Machine) Response() json.RawMessage {
	if m.response == nil {
		return nil
	}
	return m.response.Result
}

// Cancel ends the run at the next decision. It has no effect on a run that has
// ended.
func (m *Machine) Cancel(reason string) {
	if m.canceled == nil && !m.ended {
		m.canceled = &schema.RunError{Type: "canceled", Message: reason}
	}
}

// Poison ends the run as failed at the next decision, without running its
// onFailure steps: what it does kills workers.
func (m *Machine) Poison(reason string) {
	if m.canceled == nil && !m.ended {
		m.canceled = &schema.RunError{Type: "poison", Message: reason}
	}
}

// Next decides. Effects under way stay under way unless they are in Abort; the
// same call with nothing completed in between decides nothing new.
func (m *Machine) Next(now time.Time) Decision {
	d := Decision{}
	m.now, m.decision = clock(now), &d
	m.records, m.pending = m.pending, nil
	switch {
	case m.ended:
	case m.canceled != nil:
		m.stop(m.canceled)
	default:
		m.walk()
	}
	if !m.ended {
		m.waits()
	}
	d.Records = m.records
	m.decision, m.records = nil, nil
	return d
}

func (m *Machine) walk() {
	if m.failure == nil {
		if m.late || !m.now.Before(m.deadline) {
			m.timeOut()
		} else {
			m.advance(m.root)
		}
		switch {
		case m.root.err != nil && len(m.in.Workflow.OnFailure) > 0:
			m.handleFailure()
		case m.root.err != nil:
			m.finish(schema.RunFailed, m.root.err)
			return
		case m.root.done:
			m.finish(schema.RunSucceeded, nil)
			return
		}
	}
	if m.failure != nil {
		if m.now.Before(m.lastly) {
			m.advance(m.failure)
		} else {
			m.giveUp(m.failure, "the onFailure steps took longer than "+schema.Duration(m.lastly.Sub(m.deadline)).String())
		}
		if m.failure.settled() {
			// The failure of the run is what its caller must see; a failure
			// while reporting it stays in the step's record.
			m.finish(schema.RunFailed, m.cause)
		}
	}
}

// freeze takes over what has ended in blocks and begins nothing.
func (m *Machine) freeze(blocks ...*block) {
	before := m.frozen
	m.frozen = true
	for _, b := range blocks {
		m.advance(b)
	}
	m.frozen = before
}

// timeOut fails a run that is late.
func (m *Machine) timeOut() {
	m.giveUp(m.root, "the run took longer than its timeout of "+schema.Duration(m.in.Workflow.Timeout).String())
}

// giveUp fails a block whose time is over. What has ended counts: a block all
// of whose steps have ended is not late.
func (m *Machine) giveUp(b *block, message string) {
	m.freeze(b)
	if b.settled() {
		return
	}
	cause := &schema.RunError{Type: "timeout", Message: message}
	m.cancelOpen(b, cause)
	b.fail(cause)
}

// waits collects what the run waits for.
func (m *Machine) waits() {
	if m.failure == nil {
		m.wakeAt(m.deadline)
		m.eachOpen(m.root, m.wait)
	} else {
		m.wakeAt(m.lastly)
		m.eachOpen(m.failure, m.wait)
	}
}

func (m *Machine) wait(n *node) {
	switch {
	case n.rec.Status == schema.StepRetrying:
		m.wakeAt(n.rec.RetryAt)
		return
	case n.rec.Status != schema.StepWaiting:
		return
	}
	if !n.rec.WaitUntil.IsZero() {
		m.wakeAt(n.rec.WaitUntil)
	}
	switch n.step.Kind {
	case workflows.StepWaitFor:
		m.decision.Events = append(m.decision.Events, EventWait{Path: n.path, Name: waitedEvent(n), Since: n.rec.StartedAt})
	case workflows.StepCall, KindChunk:
		m.decision.Calls = append(m.decision.Calls, CallWait{Path: n.path, Run: calledRun(n)})
	}
}

func (m *Machine) handleFailure() {
	m.cause = m.root.err
	scope := *m.root.scope
	// Effects of the run that were aborted may still be reading.
	scope.Steps = maps.Clone(scope.Steps)
	scope.Run = maps.Clone(scope.Origin.Run())
	scope.Run["error"] = errorValue(m.cause)
	m.failure = &block{steps: m.in.Workflow.OnFailure, scope: &scope}
}

// finish ends the run; the output of a run that succeeded is checked.
func (m *Machine) finish(status schema.RunStatus, err *schema.RunError) {
	end := &End{Status: status, Error: err}
	if output, outErr := m.output(status); outErr != nil {
		end.Status, end.Error = schema.RunFailed, outErr
	} else {
		end.Output = output
	}
	m.end(end)
}

// stop ends the run at once, whatever is under way.
func (m *Machine) stop(cause *schema.RunError) {
	// A machine that has just been restored must know what is open.
	if m.failure == nil {
		if m.late {
			m.timeOut()
		}
		m.freeze(m.root)
		if m.root.err != nil {
			m.handleFailure()
		}
	}
	if m.failure != nil {
		m.freeze(m.failure)
	}
	status := schema.RunCanceled
	if cause.Type == "poison" {
		status = schema.RunFailed
	}
	m.cancelOpen(m.root, cause)
	if m.failure != nil {
		m.cancelOpen(m.failure, cause)
	}
	m.end(&End{Status: status, Error: cause})
}

func (m *Machine) end(end *End) {
	m.ended = true
	m.decision.End = end
	m.decision.Perform, m.decision.Wake = nil, time.Time{}
	m.decision.Events, m.decision.Calls = nil, nil
}

func (m *Machine) wakeAt(t time.Time) {
	if m.decision.Wake.IsZero() || t.Before(m.decision.Wake) {
		m.decision.Wake = t
	}
}

// clock is a time as a record gives it back: in UTC, without what only this
// process knows of it.
func clock(t time.Time) time.Time { return t.UTC().Round(0) }
