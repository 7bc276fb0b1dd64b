package trial

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/exchange"
	"paragon/workflows/steps"
)

const (
	// maxDecisions bounds what happens in a case: a run that goes round for ever
	// ends with a message.
	maxDecisions = 200_000
	// maxRuns bounds the runs of a case: a workflow that calls itself.
	maxRuns = 1000
)

// world is one case while it is run. It belongs to one goroutine.
type world struct {
	ctx        context.Context
	workflows  map[string]*workflows.Workflow
	given      *given
	clock      *clock
	performers map[workflows.StepKind]steps.Performer

	runs      []*run
	due       timeline
	serial    int
	decisions int

	events   []event // that came, in order
	requests []*Request
	emitted  []Emitted
	calls    []Called
	current  *attempt // that sends requests
	// broken says why the case can't go on.
	broken []Failure
}

// event is one that a run may wait for.
type event struct {
	name  string
	at    time.Time
	value map[string]any
}

// attempt is the one that is made.
type attempt struct {
	run     *run
	path    string
	step    string
	number  int
	pending *happening
}

func newWorld(ctx context.Context, s *Suite, g *given) *world {
	w := &world{ctx: ctx, workflows: s.Workflows, given: g, clock: &clock{now: g.now}}
	client := &exchange.Client{Transport: transport{w}, Clock: w.clock}
	w.performers = steps.New(client, s.Sandbox, integrations(s.Integrations))
	return w
}

// happening is something that is to happen at a time.
type happening struct {
	at     time.Time
	serial int
	do     func()
	// gone says that nobody wants it any more.
	gone bool
}

// timeline is a heap of what is to happen, earliest first; at one time, in the
// order in which it was planned.
type timeline []*happening

func (t timeline) Len() int { return len(t) }
func (t timeline) Less(i, j int) bool {
	if t[i].at.Equal(t[j].at) {
		return t[i].serial < t[j].serial
	}
	return t[i].at.Before(t[j].at)
}
func (t timeline) Swap(i, j int) { t[i], t[j] = t[j], t[i] }

// Push and Pop are those of heap.Interface.
func (t *timeline) Push(x any) { *t = append(*t, x.(*happening)) }
func (t *timeline) Pop() any {
	old := *t
	last := old[len(old)-1]
	*t = old[:len(old)-1]
	return last
}

// plan lets something happen at a time.
func (w *world) plan(at time.Time, do func()) { w.push(at, &happening{do: do}) }

func (w *world) push(at time.Time, h *happening) {
	w.serial++
	h.at, h.serial = at, w.serial
	heap.Push(&w.due, h)
}

// stop ends the case with a failure of the test itself.
func (w *world) stop(f Failure) { w.broken = append(w.broken, f) }

func (w *world) stopped() bool { return len(w.broken) > 0 || w.ctx.Err() != nil }

// run follows the world until every run in it has ended.
func (w *world) run(main *run) {
	for _, e := range w.given.events {
		if e.Waiting == "" {
			w.plan(w.given.now.Add(time.Duration(e.After)), func() { w.send(e.Event, "", e.data) })
		}
	}
	if c := w.given.cancel; c != nil {
		w.plan(w.given.now.Add(time.Duration(c.After)), func() {
			reason := c.Reason
			if reason == "" {
				reason = "canceled by the test"
			}
			main.resume()
			main.machine.Cancel(reason)
			main.decide()
		})
	}
	main.decide()
	for !w.stopped() {
		r := w.waking()
		switch {
		case len(w.due) > 0 && (r == nil || !r.wake.Before(w.due[0].at)):
			h := heap.Pop(&w.due).(*happening)
			if !h.gone && w.open() {
				w.clock.jump(h.at)
				h.do()
			}
		case r != nil:
			w.clock.jump(r.wake)
			r.decide()
		default:
			return
		}
	}
}

// open tells whether any run has not ended.
func (w *world) open() bool {
	for _, r := range w.runs {
		if r.end == nil {
			return true
		}
	}
	return false
}

// waking is the run that wakes first by itself.
func (w *world) waking() *run {
	var first *run
	for _, r := range w.runs {
		if r.end == nil && !r.wake.IsZero() && (first == nil || r.wake.Before(first.wake)) {
			first = r
		}
	}
	return first
}

// send lets an event come: every run that waits for it hears of it.
func (w *world) send(name, id string, data any) string {
	now := w.clock.now
	if id == "" {
		id = fmt.Sprintf("event-%d", len(w.events)+1)
	}
	for _, e := range w.events {
		if e.value["id"] == id && e.name == name {
			return id // the same event once more
		}
	}
	w.events = append(w.events, event{name: name, at: now, value: map[string]any{
		"name": name, "id": id, "data": plain(data), "time": now.Format(time.RFC3339Nano),
	}})
	for i := 0; i < len(w.runs); i++ {
		if r := w.runs[i]; r.end == nil && r.started {
			r.decide()
		}
	}
	return id
}

// since is a time as a test speaks of it: counted from the start of the run.
func (w *world) since(at time.Time) time.Duration { return at.Sub(w.given.now) }

func durationText(d time.Duration) string { return schema.Duration(d).String() }
