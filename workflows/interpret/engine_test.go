package interpret_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

// epoch is when the runs of the tests are created.
var epoch = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// failer is a *testing.T, or a *rapid.T.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// letter is a signal that is sent to the run at a time.
type letter struct {
	At     schema.Duration `json:"at"`
	Event  map[string]any  `json:"event,omitempty"`
	Cancel string          `json:"cancel,omitempty"`
	Poison string          `json:"poison,omitempty"`

	path, run string
	end       *interpret.End
	number    int
}

// moments are the places at which a worker may die.
type moment int

const (
	decided    moment = iota // decided, nothing written
	checkpoint               // some of a checkpoint's records written
	written                  // written, nothing begun
	begun                    // effects under way
	heard                    // an outcome is known, not written
	parked                   // nothing to do: the run leaves the worker
)

// engine drives a machine as a worker does, with a clock that jumps: records
// are durable before an effect begins, mail goes with the checkpoint of what
// took it, and a worker may die at any moment.
type engine struct {
	failer
	in  interpret.Input
	far far
	now time.Time

	// dies says whether the worker dies at this moment; nil for never.
	dies func(moment) bool
	// eager writes each record at once. A worker does not: while effects are
	// under way and none is to begin, it keeps what has ended to itself, and
	// what it does again after a crash comes later.
	eager bool
	// starts is told of each effect that begins, stops of each that has ended;
	// one that is aborted may go on. nil for nobody.
	starts func(interpret.Action)
	stops  func(path string)

	// What survives: records, mail, what the far side heard of.
	durable map[string]schema.StepRecord
	tries   map[string][]schema.Attempt
	log     []entry
	mail    []*letter // sent and to be sent, by time
	first   map[string]time.Time
	end     *interpret.End
	total   int // of attempts
	// lost are the effects under way when the last worker died, until it is
	// checked that the next one begins them anew.
	lost []string

	// What dies with the worker.
	machine  *interpret.Machine
	unsaved  []schema.StepRecord
	consumed map[int]bool
	todo     []interpret.Action
	flying   map[string]flight
	last     *interpret.Decision

	turns, deaths int
	trace         bytes.Buffer
}

type entry struct {
	at  time.Time
	rec schema.StepRecord
}

type flight struct {
	action interpret.Action
	ends   time.Time
	out    interpret.Outcome
}

func newEngine(t failer, wf *workflows.Workflow, input any, f far, mail []letter) *engine {
	e := &engine{
		failer: t, far: f, now: epoch,
		in: interpret.Input{
			Workflow: wf, ID: "r1", Project: "default", Revision: 7, CreatedAt: epoch, Input: input,
			Trigger: schema.Trigger{Kind: "manual", Actor: "ada", Time: epoch},
			Secrets: map[string]any{"TOKEN": "hush"},
		},
		durable: map[string]schema.StepRecord{},
		tries:   map[string][]schema.Attempt{},
		first:   map[string]time.Time{},
	}
	for i := range mail {
		l := mail[i]
		l.number = i
		e.mail = append(e.mail, &l)
	}
	e.sortMail()
	return e
}

func (e *engine) sortMail() {
	slices.SortStableFunc(e.mail, func(a, b *letter) int { return cmp.Compare(a.At, b.At) })
}

// run executes the run to its end.
func (e *engine) run() *engine {
	e.Helper()
	e.open()
	for e.end == nil {
		if e.turns++; e.turns > 20_000 {
			e.Fatalf("the run does not end; last decision %+v", e.last)
		}
		e.turn()
	}
	return e
}

// open is what a worker does that claims the run.
func (e *engine) open() {
	e.unsaved, e.todo, e.flying, e.consumed = nil, nil, map[string]flight{}, map[int]bool{}
	history := make([]schema.StepRecord, 0, len(e.durable))
	for _, path := range slices.Sorted(maps.Keys(e.durable)) {
		var rec schema.StepRecord
		e.roundTrip(e.durable[path], &rec)
		history = append(history, rec)
	}
	e.machine = interpret.New(e.in, history)
	e.receive()
}

func (e *engine) roundTrip(from, to any) {
	e.Helper()
	raw, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(raw, to)
	}
	if err != nil {
		e.Fatalf("%+v can't go through JSON: %v", from, err)
	}
	again, _ := json.Marshal(to)
	if !bytes.Equal(raw, again) {
		e.Fatalf("not the same after JSON:\n%s\n%s", raw, again)
	}
}

func (e *engine) die(at moment) bool {
	if e.dies == nil || !e.dies(at) {
		return false
	}
	e.deaths++
	if len(e.flying) > 0 {
		e.lost = slices.Sorted(maps.Keys(e.flying))
	}
	e.open()
	return true
}

// due tells whether a letter has arrived.
func (e *engine) due(l *letter) bool { return !epoch.Add(time.Duration(l.At)).After(e.now) }

func (e *engine) receive() {
	for _, l := range e.mail {
		if e.due(l) && l.Cancel != "" {
			e.machine.Cancel(l.Cancel)
		}
		if e.due(l) && l.Poison != "" {
			e.machine.Poison(l.Poison)
		}
	}
}

func (e *engine) turn() {
	e.Helper()
	d := e.machine.Next(e.now)
	e.checkDecision(d)
	e.unsaved = append(e.unsaved, d.Records...)
	e.todo = append(e.todo, d.Perform...)
	for _, path := range d.Abort {
		asked := len(e.todo)
		e.todo = slices.DeleteFunc(e.todo, func(a interpret.Action) bool { return a.Path == path })
		if _, ok := e.flying[path]; !ok && len(e.todo) == asked {
			e.Fatalf("abort of %s, which is not under way", path)
		}
		delete(e.flying, path)
	}
	if e.die(decided) {
		return
	}
	if d.End != nil {
		if e.commit() {
			e.end, e.total = d.End, e.machine.Attempts()
		}
		return
	}
	if e.deliver(d) {
		return
	}
	e.checkWidth(d)
	e.checkLost()
	if len(e.todo) == 0 && len(e.flying) == 0 {
		if e.commit() {
			e.sleep(d.Wake)
			e.die(parked)
		}
		return
	}
	if (len(e.todo) > 0 || e.eager) && len(e.unsaved) > 0 && !e.commit() || e.die(written) {
		return
	}
	for _, action := range e.todo {
		e.begin(action)
	}
	e.todo = nil
	if !e.die(begun) {
		e.await(d.Wake)
	}
}

// commit makes the records and the mail's leaving durable. It reports false
// when the worker died on the way.
func (e *engine) commit() bool {
	for i, rec := range e.unsaved {
		if i > 0 && len(e.consumed) == 0 && e.die(checkpoint) {
			return false
		}
		e.save(rec)
	}
	e.unsaved = nil
	e.mail = slices.DeleteFunc(e.mail, func(l *letter) bool { return e.consumed[l.number] })
	clear(e.consumed)
	return true
}

func (e *engine) save(rec schema.StepRecord) {
	e.log = append(e.log, entry{e.now, rec})
	for _, a := range rec.Attempts {
		if a.Number != len(e.tries[rec.Path])+1 {
			e.Fatalf("%s: attempt %d follows %d", rec.Path, a.Number, len(e.tries[rec.Path]))
		}
		e.tries[rec.Path] = append(e.tries[rec.Path], a)
	}
	rec.Attempts = nil
	e.durable[rec.Path] = rec
}

// deliver hands over the mail, as the decision says who waits.
func (e *engine) deliver(d interpret.Decision) bool {
	if len(d.Events) == 0 && len(d.Calls) == 0 {
		return false
	}
	taken := false
	for _, l := range e.mail {
		if !e.due(l) || e.consumed[l.number] {
			continue
		}
		took := false
		switch {
		case l.end != nil:
			took = e.machine.CallEnded(l.path, l.run, e.now, *l.end)
		case l.Event != nil:
			took = e.machine.Offer(e.now, l.Event)
		}
		if took {
			taken, e.consumed[l.number] = true, true
		}
	}
	return taken
}

// begin begins an attempt. The far side knows an attempt that it has heard of
// before, and answers when it would have.
func (e *engine) begin(a interpret.Action) {
	key := fmt.Sprintf("%s#%d", a.Path, a.Attempt)
	r := e.far(a)
	if _, again := e.first[key]; !again {
		e.first[key] = e.now
		if r.Ends != nil {
			e.mail = append(e.mail, &letter{
				At: schema.Duration(e.now.Sub(epoch)) + r.After + r.Ends.After, path: a.Path, run: r.Run, number: 1000 + len(e.first),
				end: &interpret.End{Status: r.Ends.Status, Output: r.Ends.Output, Error: r.Ends.Error},
			})
			e.sortMail()
		}
	} else if r.Interrupted {
		r.Interrupted, r.Result = false, sent(a)
	}
	ends := e.first[key].Add(time.Duration(r.After))
	if ends.Before(e.now) {
		ends = e.now
	}
	out := interpret.Outcome{Result: r.Result, Fatal: r.Fatal, Interrupted: r.Interrupted, Called: r.Run, Attempt: schema.Attempt{
		StartedAt: e.now, EndedAt: ends, Error: r.Error, RetryAfter: r.RetryAfter,
	}}
	if r.Error != nil {
		out.Result, out.Called = nil, ""
	}
	if e.starts != nil {
		e.starts(a)
	}
	e.flying[a.Path] = flight{action: a, ends: ends, out: out}
}

// sleep moves the clock to the next thing that happens.
func (e *engine) sleep(wake time.Time) {
	e.Helper()
	next := wake
	for _, l := range e.mail {
		if at := epoch.Add(time.Duration(l.At)); at.After(e.now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	if next.IsZero() {
		e.Fatalf("the run is stuck: nothing is under way and nothing will happen; last decision %+v", e.last)
	}
	if !next.After(e.now) {
		e.Fatalf("the run does not move on: at %s it wants to wake at %s; last decision %+v", e.now, next, e.last)
	}
	e.now = next
	e.receive()
}

// await moves the clock to the next thing that happens while effects are under
// way, and hands over one outcome that is due.
func (e *engine) await(wake time.Time) {
	e.Helper()
	var next *flight
	for _, path := range slices.Sorted(maps.Keys(e.flying)) {
		if f := e.flying[path]; next == nil || f.ends.Before(next.ends) {
			next = &f
		}
	}
	until := next.ends
	if !wake.IsZero() && wake.Before(until) {
		until = wake
	}
	for _, l := range e.mail {
		if at := epoch.Add(time.Duration(l.At)); at.After(e.now) && at.Before(until) {
			until = at
		}
	}
	if until.After(e.now) {
		e.now = until
		e.receive()
	}
	if next.ends.After(e.now) {
		return
	}
	delete(e.flying, next.action.Path)
	if e.stops != nil {
		e.stops(next.action.Path)
	}
	if !next.out.Interrupted {
		next.out.Attempt.EndedAt = e.now
	}
	e.machine.Complete(next.action.Path, next.out)
	e.die(heard)
}
