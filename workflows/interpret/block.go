package interpret

import (
	"encoding/json"

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
			if b.cur = m.enter(b, b.steps[b.next]); b.cur == nil {
				return
			}
		}
		n := b.cur
		if n.inflight {
			return
		}
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
		m.tell(b.scope, n.step.ID, n.result)
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
	asked    *Decision // the one that asked for the attempt under way
	loan     *loan     // of the scope, while an attempt is under way
	awaits   string    // the event or the run that is waited for, once it was read
	// part is what a chunk's node stands for.
	part *Chunk
	// branch is the block of a switch; branches those of parallel, by name;
	// items those of forEach.
	branch   *block
	branches []*block
	items    *loop
}

func (n *node) status() schema.StepStatus { return n.rec.Status }

// enter makes the node of a step: from its record when there is one, else
// fresh, with its condition decided. It returns nil for a step that is not to
// begin.
func (m *Machine) enter(b *block, step *workflows.Step) *node {
	n := &node{step: step, path: b.prefix + step.ID, scope: b.scope}
	if old := m.known(n); old != nil {
		n.rec = *old
		n.rec.Attempts = nil
		m.restore(n)
		return n
	}
	if m.frozen {
		// What was given up inside a block that ended may still be read.
		m.recall(n)
		return nil
	}
	n.rec = schema.StepRecord{Path: n.path, Step: step.ID, Kind: string(step.Kind), Status: schema.StepRunning, StartedAt: m.now}
	if old := m.history[n.path]; old != nil && old.Status == schema.StepCanceled && !old.StartedAt.Before(m.in.CreatedAt) {
		// The step was given up, but the checkpoint that says for what did not
		// become durable: it goes on as it was, and will be given up again.
		n.rec.StartedAt, n.rec.Attempt = old.StartedAt.UTC(), max(old.Attempt, 0)
	} else if step.If != nil && !m.isPart(n) {
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
	case workflows.StepSwitch:
		m.progressSwitch(n)
		return
	case workflows.StepParallel:
		m.progressParallel(n)
		return
	case workflows.StepForEach:
		m.progressLoop(n)
		return
	}
	if m.frozen {
		return
	}
	switch n.step.Kind {
	case workflows.StepDelay:
		m.progressDelay(n)
	case workflows.StepWaitFor:
		m.progressWait(n)
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
