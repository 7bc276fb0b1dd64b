package interpret

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"paragon/schema"
	"paragon/workflows"
)

// A forEach of very many items is spread over runs of their own, each of which
// executes a chunk of it: so the items find several workers, and no run grows
// beyond a chunk's records. A chunk is like a call that waits. The run that
// executes it sees what the loop sees, and its output is its items' results.

// KindChunk is the kind of the action, and of the record, of a chunk.
const KindChunk workflows.StepKind = "chunk"

// Chunk is the part of a forEach that one run executes for another.
type Chunk struct {
	// Path is the loop's.
	Path string `json:"path"`
	// From is the first item, To the one behind the last.
	From int `json:"from"`
	To   int `json:"to"`
	// Width is how many of its items may run at the same time.
	Width int `json:"width"`
}

// maxChunks is how many chunks a loop is cut into; longer loops have longer
// ones. Each chunk's end wakes the run.
const maxChunks = 64

// chunkSize is the length of a loop's chunks, 0 for a loop that the run
// executes itself: a short one, one inside another loop, and one that answers
// the caller, which only the run itself can.
func (m *Machine) chunkSize(n *node, items int) int {
	above := m.in.SpreadAbove
	if above <= 0 || items <= above || m.part != nil || strings.Contains(n.path, "[") || responds(n.step) {
		return 0
	}
	return max((items+maxChunks-1)/maxChunks, (above+3)/4)
}

// responds tells whether a step inside of another answers the caller.
func responds(step *workflows.Step) bool {
	inside := step.Body
	for i := range step.Branches {
		inside = append(inside[:len(inside):len(inside)], step.Branches[i].Steps...)
	}
	for _, inner := range inside {
		if inner.Kind == workflows.StepRespond || responds(inner) {
			return true
		}
	}
	return false
}

// spreadForm is what the open record of a loop that is spread says: the cut
// stays as it is, whatever a later version would choose.
type spreadForm struct {
	Chunk int `json:"chunk"`
}

// spread decides, or recalls, how a loop is cut.
func (m *Machine) spread(n *node) {
	if old := m.known(n); old != nil {
		var form spreadForm
		if json.Unmarshal(old.Result, &form) == nil && form.Chunk > 0 {
			n.items.chunk = form.Chunk
		}
		return
	}
	if n.items.chunk = m.chunkSize(n, len(n.items.values)); n.items.chunk > 0 {
		n.rec.Result, _ = json.Marshal(spreadForm{n.items.chunk}) // a plain number
	}
}

// progressSpread takes a loop that is spread as far as it goes now.
func (m *Machine) progressSpread(n *node) {
	l := n.items
	count := (len(l.values) + l.chunk - 1) / l.chunk
	width := max(n.step.Spec.ForEach.Parallelism, 1)
	for again := true; again; {
		again = false
		for l.next < count && len(l.chunks) < width {
			c := m.chunkNode(n, l.next, max(width/min(width, count), 1))
			if m.frozen && m.history[c.path] == nil {
				break
			}
			l.chunks = append(l.chunks, c)
			l.next++
		}
		open := l.chunks[:0]
		for i, c := range l.chunks {
			if !c.inflight {
				m.progress(c)
			}
			switch {
			case !c.rec.Status.Ended():
				open = append(open, c)
			case c.rec.Status == schema.StepSucceeded && m.takeChunk(n, c):
				again = true
			default:
				l.chunks = append(open, l.chunks[i+1:]...)
				m.abandon(n)
				n.rec.Result = nil
				m.failNode(n, chunkError(c))
				return
			}
		}
		clear(l.chunks[len(open):])
		l.chunks = open
	}
	if l.ended == count {
		m.settleValue(n, l.results, nil)
	}
}

// chunkNode is the node of a loop's chunk, from its record when there is one.
func (m *Machine) chunkNode(n *node, i, width int) *node {
	from := i * n.items.chunk
	part := &Chunk{Path: n.path, From: from, To: min(from+n.items.chunk, len(n.items.values)), Width: width}
	c := &node{
		step:  &workflows.Step{ID: n.step.ID, Kind: KindChunk, Spec: &schema.StepSpec{ID: n.step.ID}, At: n.step.At},
		path:  fmt.Sprintf("%s[%d-%d]", n.path, part.From, part.To-1),
		scope: n.scope, part: part,
	}
	if old := m.known(c); old != nil {
		c.rec = *old
		c.rec.Attempts = nil
		return c
	}
	c.rec = schema.StepRecord{Path: c.path, Step: n.step.ID, Kind: string(KindChunk), Status: schema.StepRunning, StartedAt: m.now}
	return c
}

// takeChunk takes over the results of a chunk. It reports whether they are what
// a chunk's run gives.
func (m *Machine) takeChunk(n, c *node) bool {
	var results []any
	if json.Unmarshal(c.rec.Result, &results) != nil || len(results) != c.part.To-c.part.From {
		return false
	}
	copy(n.items.results[c.part.From:], results)
	n.items.ended++
	return true
}

// chunkError is why a loop fails whose chunk did not succeed.
func chunkError(c *node) *schema.RunError {
	if c.rec.Error != nil {
		return c.rec.Error
	}
	return &schema.RunError{Type: "internal", Message: "the run of " + c.path + " did not answer with its items' results"}
}

// errNoLoop says that a chunk's loop is not open: the run that it is a part of
// went on without it.
var errNoLoop = errors.New("the loop that it is a part of is over")

// NewChunk returns the machine of a run that executes a chunk of another run's
// loop. Whole is that run's input and records its steps so far; in and history
// are the new run's own. The error says that the loop is not open any more.
func NewChunk(in, whole Input, records []schema.StepRecord, part Chunk, history []schema.StepRecord) (*Machine, error) {
	of := New(whole, records)
	of.now, of.decision = clock(in.CreatedAt), &Decision{}
	of.freeze(of.root)
	loop := of.find(part.Path)
	if loop == nil || loop.items == nil || part.From < 0 || part.From >= part.To || part.To > len(loop.items.values) {
		return nil, errNoLoop
	}
	flow := *in.Workflow // what belongs to the whole run stays with it
	flow.OnFailure = nil
	in.Workflow = &flow
	m := New(in, history)
	m.deadline, m.lastly = of.deadline, of.lastly
	m.part, m.values = &part, loop.items.values[part.From:part.To]
	m.root = &block{steps: []*workflows.Step{loop.step}, scope: loop.scope, prefix: strings.TrimSuffix(loop.path, loop.step.ID)}
	return m, nil
}

// isPart tells whether a node is the loop of which this run executes a chunk.
func (m *Machine) isPart(n *node) bool { return m.part != nil && n.path == m.part.Path }
