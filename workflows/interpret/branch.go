package interpret

import (
	"paragon/schema"
	"paragon/workflows"
)

func (m *Machine) beginSwitch(n *node) {
	for i := range n.step.Branches {
		branch := &n.step.Branches[i]
		take := branch.If == nil
		if !take {
			yes, err := branch.If.EvalBool(m.at(n))
			if err != nil {
				m.failNode(n, expressionError(err))
				return
			}
			take = yes
		}
		if take {
			n.branch = &block{steps: branch.Steps, scope: n.scope, prefix: prefixOf(n)}
			m.recordOpen(n)
			return
		}
	}
	m.settle(n, schema.StepSucceeded, nil)
}

func (m *Machine) progressSwitch(n *node) {
	m.advance(n.branch)
	switch {
	case n.branch.err != nil:
		m.failNode(n, n.branch.err)
	case n.branch.done:
		m.settleValue(n, n.branch.last, nil)
	}
}

// recordOpen records that a block was entered, once: its start decides what
// its expressions see.
func (m *Machine) recordOpen(n *node) {
	if m.known(n) == nil {
		m.record(n)
	}
}

func (m *Machine) beginParallel(n *node) {
	for i := range n.step.Branches {
		// Branches run at the same time, so each sees the steps before the
		// block and its own; their results meet in the scope around it.
		n.branches = append(n.branches, &block{steps: n.step.Branches[i].Steps, scope: n.scope, prefix: prefixOf(n)})
	}
	m.recordOpen(n)
}

func (m *Machine) progressParallel(n *node) {
	open, width := 0, n.step.Spec.Parallel.Parallelism
	for _, b := range n.branches {
		// Those that have begun are the first, and no more than that are open.
		if width > 0 && open == width {
			return
		}
		m.advance(b)
		if b.err != nil && !collects(n) {
			m.freeze(n.branches...)
			m.abandon(n)
			m.failNode(n, b.err)
			return
		}
		if !b.settled() {
			open++
		}
	}
	if open > 0 {
		return
	}
	results := make(map[string]any, len(n.branches))
	for i, b := range n.branches {
		if b.err != nil {
			results[n.step.Branches[i].Name] = map[string]any{"error": errorValue(b.err)}
			continue
		}
		results[n.step.Branches[i].Name] = b.last
	}
	m.settleValue(n, results, nil)
}

func collects(n *node) bool {
	switch n.step.Kind {
	case workflows.StepParallel:
		return n.step.Spec.Parallel.OnError == "collect"
	case workflows.StepForEach:
		return n.step.Spec.ForEach.OnError == "collect"
	}
	return false
}

// prefixOf is the path prefix of the steps inside a block that is no loop:
// their ids are unique in the workflow, so they stand beside the block.
func prefixOf(n *node) string { return n.path[:len(n.path)-len(n.step.ID)] }
