package interpret

import (
	"sync"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

// rootScope is what the expressions of a run see before its first step.
func (m *Machine) rootScope() *workflows.Scope {
	in := &m.in
	return &workflows.Scope{
		Input:    in.Input,
		Event:    eventScope(in.Trigger),
		Origin:   &origin{in: in},
		Steps:    map[string]any{},
		Secrets:  in.Secrets,
		Settings: in.Settings,
		User:     in.User,
	}
}

// origin makes what a run's expressions see of its trigger, itself and its
// workflow, once one asks: a run whose expressions do not pays nothing for it.
type origin struct {
	in                     *Input // not written after New
	trigger, run, workflow map[string]any
	once                   sync.Once
}

func (o *origin) made() *origin {
	o.once.Do(func() {
		o.trigger = triggerScope(o.in.Trigger)
		o.run = map[string]any{
			"id":        o.in.ID,
			"project":   o.in.Project,
			"createdAt": o.in.CreatedAt.UTC().Format(time.RFC3339Nano),
		}
		o.workflow = map[string]any{"name": o.in.Workflow.Name, "revision": o.in.Revision}
	})
	return o
}

func (o *origin) Trigger() map[string]any  { return o.made().trigger }
func (o *origin) Run() map[string]any      { return o.made().run }
func (o *origin) Workflow() map[string]any { return o.made().workflow }

// TriggerScope is what the expressions of a trigger see: the trigger with the
// body that was received, for an event the event, and whom the run is for.
func TriggerScope(t schema.Trigger, body any, who Person) *workflows.Scope {
	seen := triggerScope(t)
	seen["body"] = body
	return &workflows.Scope{Trigger: seen, Event: eventScope(t), Input: body, User: who.User, Settings: who.Settings, Now: t.Time, Seed: t.ID}
}

// eventScope is the event of a trigger, nil for none.
func eventScope(t schema.Trigger) any {
	if t.Event == "" {
		return nil
	}
	return map[string]any{"name": t.Event, "time": t.Time.UTC().Format(time.RFC3339Nano), "data": decode(t.Data)}
}

// none is an empty object; nobody writes what expressions see.
var none = map[string]any{}

func triggerScope(t schema.Trigger) map[string]any {
	text := func(in map[string]string) map[string]any {
		if len(in) == 0 {
			return none
		}
		out := make(map[string]any, len(in))
		for k, v := range in {
			out[k] = v
		}
		return out
	}
	return map[string]any{
		"kind":    t.Kind,
		"id":      t.ID,
		"actor":   t.Actor,
		"time":    t.Time.UTC().Format(time.RFC3339Nano),
		"method":  t.Method,
		"headers": text(t.Headers),
		"query":   text(t.Query),
		"event":   t.Event,
		"parent":  t.Parent,
	}
}
