package execution

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"paragon/engine/cache"
	"paragon/engine/queue"
	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
	"paragon/workflows/steps"
)

// Event is something that happened, which starts runs and lets waiting ones go
// on.
type Event struct {
	Project string
	Name    string
	// ID makes the event the same as an earlier one with it; by default a new
	// one is made.
	ID string
	// Data is JSON.
	Data json.RawMessage
	// User is the id of the user whom it is for; empty for none.
	User string
	// Actor is who sent it.
	Actor string
	// TraceParent is the sender's W3C traceparent, empty for none.
	TraceParent string
}

// Delivery says what an event did.
type Delivery struct {
	ID string `json:"id"`
	// Started lists the runs that the event started, Told those that waited
	// for its name.
	Started []string `json:"started"`
	Told    []string `json:"told"`
}

const (
	// eventKept is how long an event waits for runs that have begun before it
	// and will wait for it; eventsKept how many of a name do.
	eventKept  = 24 * time.Hour
	eventsKept = 10_000
)

func eventsKey(project string) string { return "paragon:{events/" + project + "}" }

// bus delivers events.
type bus struct {
	ledger *ledger
	intake *intake
	queue  *queue.Client
	config *cache.Cache
	now    func() time.Time
}

// publish delivers an event: it is kept for runs that will wait for it, those
// that wait are told, and each trigger for it starts a run. All of it may be
// done again with the same id to the same effect, so that a sender repeats
// what failed in the middle.
func (b *bus) publish(ctx context.Context, ev Event) (*Delivery, error) {
	now := b.now().UTC()
	if ev.ID == "" {
		ev.ID = NewRunID(now, 0)[1:25]
	}
	if len(ev.Data) == 0 {
		ev.Data = json.RawMessage("null")
	}
	said := map[string]any{"name": ev.Name, "id": ev.ID, "data": ev.Data, "time": now.Format(time.RFC3339Nano)}
	if ev.User != "" {
		said["user"] = ev.User
	}
	shown, err := json.Marshal(said)
	if err != nil {
		return nil, fmt.Errorf("write event %s: %w", ev.Name, err)
	}
	waiting, err := publishScript.Run(ctx, b.ledger.rdb, []string{eventsKey(ev.Project)},
		ms(now), ev.Name, ev.ID, shown, eventKept.Milliseconds(), eventsKept).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("publish event %s: %w", ev.Name, err)
	}
	out := &Delivery{ID: ev.ID, Started: []string{}, Told: []string{}}
	for _, run := range waiting {
		told, err := b.tell(ctx, ev, run, shown)
		if err != nil {
			return nil, err
		}
		if told {
			out.Told = append(out.Told, run)
		}
	}
	out.Started, err = b.start(ctx, ev)
	return out, err
}

// tell tells one run of an event. A run that has ended is not told of any more.
func (b *bus) tell(ctx context.Context, ev Event, run string, shown json.RawMessage) (bool, error) {
	code, err := tell(ctx, b.ledger, b.queue, run, signal{Kind: "event", Event: shown}, "event/"+ev.Name+"/"+ev.ID)
	if err != nil {
		return false, err
	}
	if code == signalUnknown || code == signalEnded {
		return false, b.ledger.rdb.SRem(ctx, eventsKey(ev.Project)+":waiting:"+ev.Name, run).Err()
	}
	return true, nil
}

// start starts the runs of the event's triggers.
func (b *bus) start(ctx context.Context, ev Event) ([]string, error) {
	started := []string{}
	project := b.config.Project(ev.Project)
	if project == nil {
		return started, nil
	}
	for _, wf := range project.Workflows() {
		if wf.Broken != nil {
			continue
		}
		for _, id := range triggersFor(wf.Workflow, ev.Name) {
			run, err := b.startOne(ctx, wf, wf.Triggers[id], ev)
			if err != nil {
				return nil, err
			}
			if run != "" {
				started = append(started, run)
			}
		}
	}
	return started, nil
}

// triggersFor lists the ids of a workflow's triggers for an event, sorted.
func triggersFor(wf *workflows.Workflow, event string) []string {
	var ids []string
	for id, t := range wf.Triggers {
		if t.Spec.Event != nil && t.Spec.Event.Name == event {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (b *bus) startOne(ctx context.Context, wf *cache.Workflow, t *workflows.Trigger, ev Event) (string, error) {
	trigger := schema.Trigger{Kind: "event", ID: t.Spec.ID, Actor: ev.Actor, Time: b.now().UTC(), Event: ev.Name, Data: ev.Data}
	who, err := b.whom(ctx, wf, t, trigger, ev)
	if err != nil || who == nil && wf.Users != nil {
		return "", err
	}
	input, wanted, err := interpret.TriggerInput(t, trigger, ev.Data, interpret.PersonOf(who))
	if err != nil || !wanted {
		return "", err
	}
	id, _, _, err := b.intake.accept(ctx, Request{
		Project: ev.Project, Workflow: wf.Name, Input: input, Trigger: trigger, EventID: ev.ID,
		IdempotencyKey: "event/" + t.Spec.ID + "/" + ev.ID, TraceParent: ev.TraceParent, For: who,
	}, nil)
	var problem *schema.Problem
	if errors.As(err, &problem) && problem.Type == schema.ProblemInvalid {
		// The event does not fit this workflow; the sender can't help it, and
		// others may want it.
		return "", nil
	}
	return id, err
}

// whom is the user whom an event starts a workflow of users for; nil for none.
func (b *bus) whom(ctx context.Context, wf *cache.Workflow, t *workflows.Trigger, trigger schema.Trigger, ev Event) (*schema.RunUser, error) {
	if wf.Users == nil {
		return nil, nil
	}
	user, err := interpret.TriggerUser(t, trigger, ev.Data, ev.User)
	if err != nil || user == "" {
		return nil, err
	}
	who, err := b.intake.forUser(ctx, wf, Request{User: user})
	if notFor(err) {
		return nil, nil
	}
	return who, err
}

// Publish delivers an event.
func (s *Service) Publish(ctx context.Context, ev Event) (*Delivery, error) {
	if s.opts.Config.Project(ev.Project) == nil {
		return nil, notFound("project %q does not exist", ev.Project)
	}
	out, err := s.bus.publish(ctx, ev)
	var problem *schema.Problem
	if err != nil && !errors.As(err, &problem) {
		return nil, unavailable("the event could not be delivered: Redis does not answer", err)
	}
	return out, err
}

// registerWaits notes that the run waits for events, and puts those that came
// since it was created into its mailbox: the commit that parks it sees them.
func (s *segment) registerWaits(waits []interpret.EventWait) error {
	for _, wait := range waits {
		if slices.Contains(s.waits, wait.Name) {
			continue
		}
		// Until Redis answers: what the run has done since its last checkpoint
		// is written with the park that follows, and must not be lost.
		if err := persist(s.w.writes, func() error { return s.registerWait(wait.Name) }); err != nil {
			return fmt.Errorf("wait for event %s: %w", wait.Name, err)
		}
		s.waits = append(s.waits, wait.Name)
	}
	return nil
}

func (s *segment) registerWait(name string) error {
	key := eventsKey(s.state.start.Project)
	events, err := listenScript.Run(s.w.writes, s.w.opts.Redis, []string{key},
		name, s.state.id, ms(s.state.start.CreatedAt)).StringSlice()
	if err != nil {
		return err
	}
	for _, raw := range events {
		var ev struct{ ID string }
		if json.Unmarshal([]byte(raw), &ev) != nil {
			continue // only what publish marshaled is there
		}
		if ev.ID == s.state.start.EventID && s.state.start.Trigger.Event == name {
			continue // the clock of who accepted the run may be behind Redis'
		}
		if _, _, err := s.w.ledger.tell(s.w.writes, s.state.id, eventSignal(raw), "event/"+name+"/"+ev.ID); err != nil {
			return err
		}
	}
	return nil
}

func eventSignal(raw string) []byte {
	payload, _ := json.Marshal(signal{Kind: "event", Event: json.RawMessage(raw)}) // JSON from publish
	return payload
}

// performEmit sends the event of an emit step, without the values of secrets:
// an event is stored, and becomes the input of other runs.
func (w *Worker) performEmit(ctx context.Context, s *segment, call steps.Call) steps.Outcome {
	emission, err := steps.EmissionOf(call)
	if err != nil {
		return steps.FailedExpression(err)
	}
	done, err := w.bus.publish(ctx, Event{Project: call.Project, User: call.User, Actor: "run " + call.Run, TraceParent: call.TraceParent,
		ID: s.redact.String(emission.ID), Name: s.redact.String(emission.Name), Data: s.redact.JSON(emission.Data)})
	if err != nil {
		return w.failedInside(ctx, err)
	}
	return steps.Started(done.ID)
}

// performCall starts the run of a call step. An input that holds the value of
// a secret fails it, since an input is stored and shown: the called run reads
// its own.
func (w *Worker) performCall(ctx context.Context, s *segment, call steps.Call) (steps.Outcome, string) {
	input, err := steps.CallInput(call)
	if err != nil {
		return steps.FailedExpression(err), ""
	}
	if !bytes.Equal(s.redact.JSON(input), input) {
		return steps.Outcome{Fatal: true, Err: &schema.RunError{Type: "input", Message: "the input of this call holds the value of a secret, " +
			"and the input of a run is stored and shown: let workflow " + call.Step.Spec.Call.Workflow + " use secrets.NAME itself"}}, ""
	}
	var by *caller
	if steps.Waits(call) {
		by = &caller{Run: call.Run, Path: call.Path}
	}
	req := Request{
		User:    call.User,
		Project: call.Project, Workflow: call.Step.Spec.Call.Workflow, Input: input, TraceParent: call.TraceParent,
		Trigger:        schema.Trigger{Kind: "call", ID: call.Path, Parent: call.Run},
		IdempotencyKey: "call/" + call.IdempotencyKey,
	}
	id, _, known, err := w.intake.accept(ctx, req, by)
	if err == nil && known && by != nil {
		var lost bool
		if lost, err = w.hearOf(ctx, call, id); lost && err == nil {
			req.IdempotencyKey += "/after/" + id
			id, _, _, err = w.intake.accept(ctx, req, by)
		}
	}
	if err != nil {
		return w.failedInside(ctx, err), ""
	}
	if by != nil {
		return steps.Outcome{}, id
	}
	return steps.Started(id), ""
}

// failedInside is the outcome of an effect on Paragon itself that failed: for
// what the workflow did wrong the step fails, while Redis is away it is tried
// again without an attempt being counted.
func (w *Worker) failedInside(ctx context.Context, err error) steps.Outcome {
	var problem *schema.Problem
	if errors.As(err, &problem) && problem.Status < 500 {
		return steps.Outcome{Fatal: true, Err: &schema.RunError{Type: "input", Message: problem.Error()}}
	}
	pause := time.NewTimer(500 * time.Millisecond)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
	return steps.Outcome{Interrupted: true}
}
