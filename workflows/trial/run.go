package trial

import (
	"fmt"
	"strings"
	"time"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
	"paragon/workflows/steps"
)

// run is one run in a world: what a worker does for it, without Redis.
type run struct {
	w        *world
	id       string
	workflow *workflows.Workflow
	created  time.Time
	machine  *interpret.Machine
	in       interpret.Input
	history  map[string]schema.StepRecord // the latest record of each path
	parked   bool                         // it waits, and no worker would have it
	calls    []callEnd                    // ends of called runs that no step took yet
	started  bool
	deciding bool
	again    bool
	wake     time.Time
	pending  map[string]*happening // effects under way
	then     func()                // what the attempt sets going, once the run knows how it ended
	taken    map[int]bool          // events that a step took
	waited   map[int]bool          // given events whose step has begun to wait

	steps    map[string]*Step
	order    []*Step
	end      *interpret.End
	ended    time.Time
	response any
	// caller waits at path for the end.
	caller *run
	path   string
}

func (w *world) newRun(id string, wf *workflows.Workflow, input any, trigger schema.Trigger) *run {
	r := &run{w: w, id: id, workflow: wf, created: w.clock.Now(), pending: map[string]*happening{}, taken: map[int]bool{}, waited: map[int]bool{}, steps: map[string]*Step{}, history: map[string]schema.StepRecord{}}
	secrets := map[string]any{}
	for _, name := range wf.Secrets {
		if secrets[name] = name; w.given.secrets[name] != nil {
			secrets[name] = w.given.secrets[name]
		}
	}
	r.in = interpret.Input{
		Workflow: wf, ID: id, Project: schema.DefaultProject, Revision: 1, CreatedAt: r.created, Trigger: trigger,
		Input: input, Secrets: secrets, Person: interpret.Person{User: w.given.user, Settings: w.given.settings},
	}
	r.machine = interpret.New(r.in, nil)
	w.runs = append(w.runs, r)
	return r
}

// callEnd is the end of a called run.
type callEnd struct {
	path, id string
	end      interpret.End
}

// mostRestored bounds the records of a run that is made anew after each wait.
const mostRestored = 1000

// resume makes the machine anew from what was recorded, as a worker does that
// takes over a run which waited.
func (r *run) resume() {
	if !r.parked {
		return
	}
	r.parked = false
	if len(r.history) > mostRestored {
		return // it decides the same, and is slow to make
	}
	records := make([]schema.StepRecord, 0, len(r.history))
	for _, s := range r.order {
		records = append(records, r.history[s.Path])
	}
	r.machine = interpret.New(r.in, records)
}

// decide follows the machine as far as it goes now.
func (r *run) decide() {
	if r.deciding {
		r.again = true // an event that the run itself sent
		return
	}
	r.started, r.deciding = true, true
	defer func() { r.deciding = false }()
	r.resume()
	for r.end == nil && !r.w.stopped() {
		r.again = false
		if r.w.decisions++; r.w.decisions > maxDecisions {
			r.w.stop(broken("endless", fmt.Sprintf("the run of %s does not end: more than %d decisions were made", r.workflow.Name, maxDecisions), ""))
			return
		}
		now := r.w.clock.now
		d := r.machine.Next(now)
		r.record(d.Records)
		for _, path := range d.Abort {
			r.abort(path, now)
		}
		if d.End != nil {
			r.finish(d.End)
			return
		}
		r.wake = d.Wake
		for _, action := range d.Perform {
			r.perform(action)
		}
		if !r.offer(d) && !r.again {
			r.parked = len(r.pending) == 0
			return
		}
	}
}

// abort gives up an effect under way. What it would have sent later was not sent.
func (r *run) abort(path string, now time.Time) {
	p := r.pending[path]
	if p == nil {
		return
	}
	p.gone = true
	delete(r.pending, path)
	kept := r.w.requests[:0]
	for _, req := range r.w.requests {
		if req.pending != p || !req.at.After(now) {
			kept = append(kept, req)
		}
	}
	r.w.requests = kept
}

// offer offers the events that came since the run was created to the steps that
// wait, and plans those that come because one waits.
func (r *run) offer(d interpret.Decision) bool {
	taken := false
	left := r.calls[:0]
	for _, c := range r.calls {
		if r.machine.CallEnded(c.path, c.id, r.w.clock.now, c.end) {
			taken = true
		} else {
			left = append(left, c)
		}
	}
	r.calls = left
	for i, e := range r.w.events {
		if r.taken[i] || e.at.Before(r.created) {
			continue
		}
		for _, wait := range d.Events {
			if wait.Name == e.name && r.machine.Offer(r.w.clock.now, e.value) {
				r.taken[i], taken = true, true
				break
			}
		}
	}
	for i, e := range r.w.given.events {
		if e.Waiting == "" || r.waited[i] || r != r.w.runs[0] {
			continue
		}
		for _, wait := range d.Events {
			if named(e.Waiting, wait.Path) {
				r.waited[i] = true
				r.w.plan(r.w.clock.now.Add(time.Duration(e.After)), func() { r.w.send(e.Event, "", e.data) })
				break
			}
		}
	}
	return taken
}

// named tells whether a name in a test, an id or a path, is that of a step.
func named(name, path string) bool {
	return name == path || name == path[strings.LastIndexByte(path, '/')+1:]
}

// perform makes an attempt. It is made at once, and its outcome comes when it
// is over in the world's time.
func (r *run) perform(action interpret.Action) {
	pending := &happening{}
	r.pending[action.Path] = pending
	started := r.w.clock.now
	r.w.clock.begin()
	r.w.current = &attempt{run: r, path: action.Path, step: action.Step.ID, number: action.Attempt, pending: pending}
	r.then = nil
	result, called := r.attempt(steps.Call{
		Step: action.Step, Scope: action.Scope, Project: schema.DefaultProject, Run: r.id, Path: action.Path,
		Attempt: action.Attempt, IdempotencyKey: r.id + "/" + action.Path,
	})
	r.w.current = nil
	ended := r.w.clock.end()
	out := interpret.Outcome{
		Result: result.Result, Fatal: result.Fatal, Interrupted: result.Interrupted, Called: called,
		Attempt: schema.Attempt{
			StartedAt: started, EndedAt: ended, Request: result.Request, Response: result.Response,
			Error: result.Err, RetryAfter: schema.Duration(result.RetryAfter),
		},
	}
	then := r.then
	pending.do = func() {
		delete(r.pending, action.Path)
		r.machine.Complete(action.Path, out)
		if then != nil {
			then()
		}
		r.decide()
	}
	r.w.push(ended, pending)
}

// attempt makes an attempt at an effect, as a worker does.
func (r *run) attempt(call steps.Call) (steps.Outcome, string) {
	switch call.Step.Kind {
	case workflows.StepCall:
		return r.call(call)
	case workflows.StepEmit:
		return r.emit(call), ""
	}
	return r.w.performers[call.Step.Kind].Perform(r.w.ctx, call), ""
}

func (r *run) emit(call steps.Call) steps.Outcome {
	e, err := steps.EmissionOf(call)
	if err != nil {
		return steps.FailedExpression(err)
	}
	data := decode(e.Data)
	r.w.emitted = append(r.w.emitted, Emitted{Step: call.Path, Event: e.Name, ID: e.ID, Data: data, At: schema.Duration(r.w.since(r.w.clock.Now()))})
	r.then = func() { r.w.send(e.Name, e.ID, data) }
	return steps.Started(e.ID)
}

// record takes over what the machine wrote down.
func (r *run) record(recs []schema.StepRecord) {
	for i := range recs {
		rec := &recs[i]
		r.history[rec.Path] = *rec
		s := r.steps[rec.Path]
		if s == nil {
			s = &Step{Path: rec.Path, ID: rec.Step, Kind: rec.Kind, Started: schema.Duration(r.w.since(rec.StartedAt))}
			r.steps[rec.Path] = s
			r.order = append(r.order, s)
		}
		s.Status, s.Error, s.Result = rec.Status, rec.Error, rec.Result
		for _, a := range rec.Attempts {
			shown := Attempt{Number: a.Number, At: schema.Duration(r.w.since(a.StartedAt)), Took: schema.Duration(a.EndedAt.Sub(a.StartedAt)), Error: a.Error}
			if a.Response != nil {
				shown.Status = a.Response.Status
			}
			s.Attempts = append(s.Attempts, shown)
		}
		if rec.Status.Ended() {
			s.Took = schema.Duration(rec.EndedAt.Sub(rec.StartedAt))
		}
	}
}

// called tells the run that a run which it called has ended.
func (r *run) called(c callEnd) {
	if r.end == nil {
		r.calls = append(r.calls, c)
		r.decide()
	}
}

func (r *run) finish(end *interpret.End) {
	r.end, r.ended = end, r.w.clock.now
	r.response = decode(r.machine.Response())
	for _, p := range r.pending {
		p.gone = true
	}
	if r.caller != nil && r.caller.end == nil {
		caller := r.caller
		r.w.plan(r.ended, func() { caller.called(callEnd{r.path, r.id, *end}) })
	}
}
