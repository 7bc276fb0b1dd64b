package interpret

import (
	"encoding/json"
	"maps"
	"strconv"

	"paragon/schema"
)

// loop is the state of a forEach.
type loop struct {
	values  []any
	results []any
	next    int // the first item that has not begun
	ended   int
	open    []item // in the order of their indexes
	// first is the index of the first value: a run that executes a chunk has
	// only those of the chunk. width is how many run at the same time.
	first, width int
	// chunk is the length of the chunks of a loop that is spread, 0 for one that
	// the run executes itself; chunks are the open ones. next and ended count
	// chunks then.
	chunk  int
	chunks []*node
}

// item is one item of a loop that has begun and not ended.
type item struct {
	index int // into the loop's values
	*block
}

func (m *Machine) beginLoop(n *node) {
	if m.isPart(n) {
		n.items = &loop{values: m.values, results: make([]any, len(m.values)), first: m.part.From, width: max(m.part.Width, 1)}
		m.recordOpen(n)
		return
	}
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
	n.items = &loop{values: values, results: make([]any, len(values)), width: max(n.step.Spec.ForEach.Parallelism, 1)}
	m.spread(n)
	m.recordOpen(n)
}

func (m *Machine) progressLoop(n *node) {
	l := n.items
	if l.chunk > 0 {
		m.progressSpread(n)
		return
	}
	for {
		for l.next < len(l.values) && len(l.open) < l.width {
			m.beginItem(n, l.next)
			l.next++
		}
		left := l.open[:0]
		before := l.ended
		for i, it := range l.open {
			m.advance(it.block)
			switch {
			case !it.settled():
				left = append(left, it)
			case it.err != nil && !collects(n):
				l.open = append(left, l.open[i:]...)
				for _, other := range l.open {
					m.freeze(other.block)
				}
				m.abandon(n)
				m.failNode(n, it.err)
				return
			default:
				m.endItem(n, it)
			}
		}
		clear(l.open[len(left):])
		l.open = left
		if l.ended == len(l.values) {
			m.settleValue(n, l.results, nil)
			return
		}
		if l.ended == before {
			return
		}
	}
}

// beginItem opens the block of an item, or takes its result from its record.
func (m *Machine) beginItem(n *node, i int) {
	l := n.items
	index := l.first + i
	if old, ok := m.history[itemPath(n, index)]; ok && old.Status.Ended() {
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
	scope.Vars[as], scope.Vars[as+"_index"] = l.values[i], index
	l.open = append(l.open, item{i, &block{steps: n.step.Body, scope: &scope, prefix: itemPath(n, index) + "/"}})
}

// endItem records an item's result, so that its steps need not be looked at
// again.
func (m *Machine) endItem(n *node, it item) {
	rec := schema.StepRecord{
		Path: itemPath(n, n.items.first+it.index), Step: n.step.ID, Kind: KindItem,
		Status: schema.StepSucceeded, StartedAt: n.rec.StartedAt, EndedAt: m.now,
	}
	result := it.last
	if it.err != nil {
		rec.Status, rec.Error = schema.StepFailed, it.err
		result = map[string]any{"error": errorValue(it.err)}
	}
	rec.Result, _ = json.Marshal(result) // a value that came from JSON
	n.items.results[it.index] = result
	n.items.ended++
	m.records = append(m.records, rec)
}

// KindItem is the kind of the record that closes one item of a forEach.
const KindItem = "item"

func itemPath(n *node, i int) string { return n.path + "[" + strconv.Itoa(i) + "]" }
