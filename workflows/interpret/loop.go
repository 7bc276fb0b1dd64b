package interpret

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"paragon/schema"
)

// loop is the state of a forEach.
type loop struct {
	values  []any
	results []any
	next    int // the first item that has not begun
	ended   int
	open    map[int]*block
}

func (m *Machine) beginLoop(n *node) {
	value, err := n.step.Args.Field("items").Eval(m.at(n))
	if err != nil {
		m.failNode(n, expressionError(err))
		return
	}
	values, err := listOf(value)
	if err != nil {
		m.failNode(n, &schema.RunError{Type: "expression", Message: "forEach.items: " + err.Error()})
		return
	}
	n.items = &loop{values: values, results: make([]any, len(values)), open: map[int]*block{}}
	m.recordOpen(n)
}

func (m *Machine) progressLoop(n *node) {
	l := n.items
	width := max(n.step.Spec.ForEach.Parallelism, 1)
	for {
		for l.next < len(l.values) && len(l.open) < width {
			m.beginItem(n, l.next)
			l.next++
		}
		moved := false
		for _, i := range slices.Sorted(maps.Keys(l.open)) {
			b := l.open[i]
			m.advance(b)
			if !b.settled() {
				continue
			}
			if b.err != nil && !collects(n) {
				m.abandon(n)
				m.failNode(n, b.err)
				return
			}
			m.endItem(n, i, b)
			moved = true
		}
		if l.ended == len(l.values) {
			m.settleValue(n, l.results, nil)
			return
		}
		if !moved {
			return
		}
	}
}

// beginItem opens the block of an item, or takes its result from its record.
func (m *Machine) beginItem(n *node, i int) {
	l := n.items
	if old, ok := m.history[itemPath(n, i)]; ok && old.Status.Ended() {
		l.results[i] = decode(old.Result)
		l.ended++
		return
	}
	scope := *n.scope
	scope.Steps = maps.Clone(n.scope.Steps)
	scope.Vars = maps.Clone(n.scope.Vars)
	if scope.Vars == nil {
		scope.Vars = map[string]any{}
	}
	as := n.step.Spec.ForEach.As
	if as == "" {
		as = "item"
	}
	scope.Vars[as], scope.Vars[as+"_index"] = l.values[i], i
	l.open[i] = &block{steps: n.step.Body, scope: &scope, prefix: itemPath(n, i) + "/"}
}

// endItem records an item's result, so that its steps need not be looked at
// again.
func (m *Machine) endItem(n *node, i int, b *block) {
	rec := schema.StepRecord{
		Path: itemPath(n, i), Step: n.step.ID, Kind: KindItem,
		Status: schema.StepSucceeded, StartedAt: n.rec.StartedAt, EndedAt: m.now,
	}
	result := b.last
	if b.err != nil {
		rec.Status, rec.Error = schema.StepFailed, b.err
		result = map[string]any{"error": errorValue(b.err)}
	}
	rec.Result, _ = json.Marshal(result) // a value that came from JSON
	n.items.results[i] = result
	n.items.ended++
	delete(n.items.open, i)
	m.records = append(m.records, rec)
}

// KindItem is the kind of the record that closes one item of a forEach.
const KindItem = "item"

func itemPath(n *node, i int) string { return n.path + "[" + strconv.Itoa(i) + "]" }
