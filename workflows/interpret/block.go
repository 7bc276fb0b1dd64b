package interpret

import (
	"encoding/json"
	"maps"

	"paragon/schema"
	"paragon/workflows"
)

// block is a list of steps that run in order: the workflow's own, a branch, or
// the body of a loop for one item.
type block struct {
	steps []*workflows.Step
	next  int   // index of the step that runs or runs next
	cur   *node // nil between two steps
	scope *workflows.Scope
	// prefix stands before the ids in the paths of the steps ("each[3]/").
	prefix string
	last   any // the result of the latest step
	done   bool
	err    *schema.RunError
}

func (b *block) fail(err *schema.RunError) { b.err, b.cur = err, nil }

func (b *block) settled() bool { return b.done || b.err != nil }

// advance runs a block as far as it goes now.
func (m *Machine) advance(b *block) {
	for !b.settled() {
		if b.next == len(b.steps) {
			b.done = true
			return
		}
		if b.cur == nil {
			b.cur = m.enter(b, b.steps[b.next])
		}
		n := b.cur
		m.progress(n)
		switch n.status() {
		case schema.StepFailed:
			if !n.step.ContinueOnError {
				b.fail(n.rec.Error)
				return
			}
			n.result = map[string]any{"error": errorValue(n.rec.Error)}
		case schema.StepSucceeded, schema.StepSkipped:
		default:
			return // it waits, or an effect is under way
		}
		b.last = n.result
		if len(m.inflight) > 0 {
			// Effects under way read the map that they were given.
			b.scope.Steps = maps.Clone(b.scope.Steps)
		}
		b.scope.Steps[n.step.ID] = n.result
		b.cur = nil
		b.next++
	}
}

// node is one step in one place of a run.
type node struct {
	step   *workflows.Step
	path   string
	scope  *workflows.Scope
	rec    schema.StepRecord
	result any

	inflight bool
	policy   *workflows.Retry
	// branch is the block of a switch; branches those of parallel, by name;
	// items those of forEach.
	branch   *block
	branches []*block
	items    *loop
	event    any // what waitFor received
}

func (n *node) status() schema.StepStatus { return n.rec.Status }

// enter makes the node of a step: from its record when there is one, else
// fresh, with its condition decided.
func (m *Machine) enter(b *block, step *workflows.Step) *node {
	n := &node{step: step, path: b.prefix + step.ID, scope: b.scope}
	if old, ok := m.history[n.path]; ok {
		n.rec = *old
		n.rec.Attempts = nil
		n.restore(m)
		return n
	}
	n.rec = schema.StepRecord{Path: n.path, Step: step.ID, Kind: string(step.Kind), Status: schema.StepRunning, StartedAt: m.now}
	if step.If != nil {
		yes, err := step.If.EvalBool(m.at(n))
		switch {
		case err != nil:
			m.failNode(n, expressionError(err))
			return n
		case !yes:
			m.settle(n, schema.StepSkipped, nil)
			return n
		}
	}
	m.begin(n)
	return n
}

// restore rebuilds what a record leaves out.
func (n *node) restore(m *Machine) {
	if n.rec.Status.Ended() {
		n.result = decode(n.rec.Result)
		if n.step.Kind == workflows.StepRespond && n.rec.Status == schema.StepSucceeded {
			rec := n.rec
			m.response = &rec
		}
		return
	}
	if n.step.Branches != nil || n.step.Body != nil {
		// A block's decisions are made again, with the same time and seed as
		// the first time, and so come out the same.
		m.begin(n)
	}
}

// at is the scope of a node's own expressions: its time is the node's start,
// also on a replay.
func (m *Machine) at(n *node) *workflows.Scope {
	scope := *n.scope
	scope.Now, scope.Seed = n.rec.StartedAt, m.in.ID+"/"+n.path
	return &scope
}

// begin does what a step does when it is reached. Effects begin in progress.
func (m *Machine) begin(n *node) {
	switch n.step.Kind {
	case workflows.StepSet:
		value, err := n.step.Args.Eval(m.at(n))
		m.settleValue(n, value, err)
	case workflows.StepRespond:
		m.respond(n)
	case workflows.StepFail:
		m.failStep(n)
	case workflows.StepDelay:
		m.beginDelay(n)
	case workflows.StepWaitFor:
		m.beginWait(n)
	case workflows.StepSwitch:
		m.beginSwitch(n)
	case workflows.StepParallel:
		m.beginParallel(n)
	case workflows.StepForEach:
		m.beginLoop(n)
	}
}

// progress takes an open node as far as it goes now.
func (m *Machine) progress(n *node) {
	if n.rec.Status.Ended() {
		return
	}
	switch n.step.Kind {
	case workflows.StepDelay:
		m.progressDelay(n)
	case workflows.StepWaitFor:
		m.progressWait(n)
	case workflows.StepSwitch:
		m.progressSwitch(n)
	case workflows.StepParallel:
		m.progressParallel(n)
	case workflows.StepForEach:
		m.progressLoop(n)
	default:
		m.progressEffect(n)
	}
}

// settle ends a node and records it.
func (m *Machine) settle(n *node, status schema.StepStatus, result json.RawMessage) {
	n.rec.Status, n.rec.EndedAt, n.rec.Result = status, m.now, result
	n.rec.RetryAt, n.rec.WaitUntil = noTime, noTime
	if status == schema.StepSucceeded {
		n.rec.Error = nil
	}
	n.result = decode(result)
	m.record(n)
}

// settleValue ends a node with a computed value, through JSON: so the run sees
// after a replay what it saw before.
func (m *Machine) settleValue(n *node, value any, err error) {
	if err != nil {
		m.failNode(n, expressionError(err))
		return
	}
	raw, err := json.Marshal(value)
	if err != nil {
		m.failNode(n, &schema.RunError{Type: "expression", Message: "the result can't be written as JSON: " + err.Error()})
		return
	}
	m.settle(n, schema.StepSucceeded, raw)
}

func (m *Machine) failNode(n *node, err *schema.RunError) {
	failed := *err
	if failed.Step == "" {
		failed.Step = n.path
	}
	if failed.At == "" {
		failed.At = n.step.At
	}
	n.rec.Status, n.rec.EndedAt, n.rec.Error = schema.StepFailed, m.now, &failed
	n.rec.RetryAt, n.rec.WaitUntil = noTime, noTime
	m.record(n)
}

func (m *Machine) record(n *node) {
	m.records = append(m.records, n.rec)
	n.rec.Attempts = nil
}
