package config

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"paragon/schema"
	"paragon/workflows"
)

// checkSchemas warns of workflows whose input asks more than what is there now
// of them: who calls them, starts them or sends their events on the target has
// not changed with them. It compares with what the target has, so that the
// promotion of a set tells what only the target lacks.
func (k *known) checkSchemas(ctx context.Context, d *document) error {
	current, err := k.lookup(ctx, schema.Ref{Kind: d.Kind, Name: d.Metadata.Name})
	if err != nil || current == nil {
		return err
	}
	var before schema.WorkflowSpec
	if json.Unmarshal(current.Spec, &before) != nil {
		return nil // of another version; there is nothing to compare with
	}
	if users := d.Workflow.Spec.Users; users != nil && before.Users != nil {
		if found := workflows.Narrowed(before.Users.Settings, users.Settings); len(found) > 0 {
			k.warn(d, "settings-schema", "have the users set it first: who lacks it is not started until then",
				"what users set for workflow %s asks more than here now: %s", d.Metadata.Name, strings.Join(found, "; "))
		}
	}
	found := workflows.Narrowed(before.Input, d.Workflow.Spec.Input)
	if len(found) == 0 {
		return nil
	}
	told, events := strings.Join(found, "; "), 0
	for _, event := range takenEvents(before.Triggers) {
		if slices.Contains(takenEvents(d.Workflow.Spec.Triggers), event) {
			events++
			k.warn(d, "event-schema", "send the event as the new schema asks before this is applied, or give the trigger an input that fits",
				"event %s, which starts workflow %s, has another schema than here now: %s", event, d.Metadata.Name, told)
		}
	}
	callers, err := k.callersOf(ctx, d.Metadata.Name)
	switch {
	case err != nil:
		return err
	case len(callers) > 0:
		k.warn(d, "input-schema", "change what calls it, too: "+namesOf(callers),
			"the input of workflow %s asks more than here now: %s", d.Metadata.Name, told)
	case events == 0:
		k.warn(d, "input-schema", "change who starts it first",
			"the input of workflow %s asks more than here now: %s", d.Metadata.Name, told)
	}
	return nil
}

// checkSettings warns of an integration whose settings ask more than what is
// there now of it: the credentials of the target were brought without.
func (k *known) checkSettings(ctx context.Context, d *document) error {
	current, err := k.lookup(ctx, schema.Ref{Kind: d.Kind, Name: d.Metadata.Name})
	if err != nil || current == nil {
		return err
	}
	var before schema.IntegrationSpec
	if json.Unmarshal(current.Spec, &before) != nil {
		return nil // of another version; there is nothing to compare with
	}
	if found := workflows.Narrowed(before.Settings, d.Integration.Spec.Settings); len(found) > 0 {
		k.warn(d, "settings-schema", "set the credentials again with what they lack: paragonctl credential set",
			"the settings of integration %s ask more of its credentials than here now: %s", d.Metadata.Name, strings.Join(found, "; "))
	}
	return nil
}

// takenEvents names the events whose data is the workflow's input as it is.
func takenEvents(triggers []schema.TriggerSpec) (names []string) {
	for _, t := range triggers {
		if t.Event != nil && t.Input == nil {
			names = append(names, t.Event.Name)
		}
	}
	return names
}

// callersOf lists the workflows of the project that call one and are not applied
// with it.
func (k *known) callersOf(ctx context.Context, name string) ([]schema.Ref, error) {
	if k.calls == nil {
		k.calls = map[string][]schema.Ref{}
		list, err := k.tx.Resources(ctx, schema.KindWorkflow)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			var spec schema.WorkflowSpec
			if k.has[ref(r)] != nil || k.gone[ref(r)] || json.Unmarshal(r.Spec, &spec) != nil {
				continue
			}
			for _, u := range usedBy(&spec) {
				if u.Kind == schema.KindWorkflow && !slices.Contains(k.calls[u.Name], ref(r)) {
					k.calls[u.Name] = append(k.calls[u.Name], ref(r))
				}
			}
		}
	}
	return k.calls[name], nil
}
