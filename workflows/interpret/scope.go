package interpret

import (
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
		Trigger:  triggerScope(in.Trigger),
		Steps:    map[string]any{},
		Secrets:  in.Secrets,
		Settings: in.Settings,
		User:     in.User,
		Run: map[string]any{
			"id":        in.ID,
			"project":   in.Project,
			"createdAt": in.CreatedAt.UTC().Format(time.RFC3339Nano),
		},
		Workflow: map[string]any{"name": in.Workflow.Name, "revision": in.Revision},
	}
}

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
