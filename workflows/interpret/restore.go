package interpret

import (
	"maps"

	"paragon/schema"
	"paragon/workflows"
)

// known is the record that a node goes on from; nil when there is none that
// fits: a step that was given up is begun again, and so is one whose record
// can't be what this step left.
func (m *Machine) known(n *node) *schema.StepRecord {
	old := m.history[n.path]
	if old == nil || old.Kind != string(n.step.Kind) || old.Attempt < 0 {
		return nil
	}
	fits := false
	switch old.Status {
	case schema.StepSucceeded, schema.StepSkipped:
		fits = true
	case schema.StepFailed:
		fits = old.Error != nil
	case schema.StepRunning:
		fits = n.step.Branches != nil || n.step.Body != nil
	case schema.StepRetrying:
		fits = n.step.Effect() // a chunk is not tried again
	case schema.StepWaiting:
		switch n.step.Kind {
		case workflows.StepDelay:
			fits = true
		case workflows.StepWaitFor:
			fits = !old.WaitUntil.IsZero()
		case workflows.StepCall, KindChunk:
			fits = calledRun(&node{rec: *old}) != ""
		}
	}
	if !fits {
		return nil
	}
	return old
}

// restore rebuilds what a node's record leaves out.
func (m *Machine) restore(n *node) {
	if !n.rec.Status.Ended() {
		// A block's decisions are made again, with the same time and seed as
		// the first time, and so come out the same.
		if n.rec.Status == schema.StepRunning {
			m.begin(n)
		}
		return
	}
	n.result = decode(n.rec.Result)
	m.recall(n)
}

// recall makes the results of the steps inside a switch or a parallel block
// that is over readable again.
func (m *Machine) recall(n *node) {
	for i := range n.step.Branches {
		for _, step := range n.step.Branches[i].Steps {
			inner := &node{step: step, path: prefixOf(n) + step.ID, scope: n.scope}
			if old := m.known(inner); old != nil && old.Status.Ended() {
				switch {
				case old.Status != schema.StepFailed:
					m.tell(n.scope, step.ID, decode(old.Result))
				case step.ContinueOnError:
					m.tell(n.scope, step.ID, map[string]any{"error": errorValue(old.Error)})
				}
			}
			m.recall(inner)
		}
	}
}

// recallResponse finds the answer that the run gave before it was restored:
// the latest. No two are given at the same time.
func (m *Machine) recallResponse(rec *schema.StepRecord) {
	if rec.Kind != string(workflows.StepRespond) || rec.Status != schema.StepSucceeded {
		return
	}
	if m.response == nil || rec.EndedAt.After(m.response.EndedAt) {
		m.response = rec
	}
}

// loan says that effects may be reading the results of a scope.
type loan struct{ readers int }

// lend notes that an attempt at a node begins to read its scope.
func (m *Machine) lend(n *node) {
	l := m.loans[n.scope]
	if l == nil {
		l = &loan{}
		m.loans[n.scope] = l
	}
	l.readers++
	n.loan = l
}

// giveBack notes that a node's attempt has ended. One that was aborted gives
// nothing back: it may still be reading.
func (m *Machine) giveBack(n *node) {
	n.loan.readers--
	if n.loan.readers == 0 && m.loans[n.scope] == n.loan {
		delete(m.loans, n.scope)
	}
	n.loan = nil
}

// tell makes a result readable as steps.<id>. Effects go on reading the map
// that they were given.
func (m *Machine) tell(scope *workflows.Scope, id string, result any) {
	if m.loans[scope] != nil {
		scope.Steps = maps.Clone(scope.Steps)
		delete(m.loans, scope)
	}
	scope.Steps[id] = result
}
