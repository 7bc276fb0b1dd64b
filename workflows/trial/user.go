package trial

import (
	"encoding/json"
	"fmt"
	"strings"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

// defaultUser is the id of the user of a case that names none.
const defaultUser = "user"

// settle fills in what the case does not give of its user, when the workflow
// runs for users, and says why this user has no run, as the server would. A
// trigger that tells whom it is for gives the id.
func (g *given) settle(wf *workflows.Workflow, trigger schema.Trigger, body json.RawMessage) (why string, err error) {
	if wf.Users == nil {
		return "", nil
	}
	user, ok := over(map[string]any{"meta": map[string]any{}}, orNone(g.user)).(map[string]any)
	if !ok {
		return "the test's user is not an object with id and meta", nil
	}
	id, _ := user["id"].(string)
	if t := wf.Triggers[trigger.ID]; t != nil {
		named, err := interpret.TriggerUser(t, trigger, body, id)
		if err != nil {
			return err.Error(), nil
		}
		if t.User != nil && id != "" && named != id {
			return fmt.Sprintf("the trigger is for user %q, who is not the test's", named), nil
		}
		id = named
	}
	if id == "" {
		id = defaultUser
	}
	user["id"] = id
	given, ok := orNone(g.settings).(map[string]any)
	if !ok {
		return "the test's settings are not an object", nil
	}
	settings, wrong := wf.Users.Settings(given)
	g.user, g.settings = user, settings
	g.vars["user"], g.vars["settings"] = g.user, g.settings
	if wf.Users.Allow != nil {
		yes, err := wf.Users.Allow.EvalBool(&workflows.Scope{User: user, Workflow: map[string]any{"name": wf.Name}, Now: g.now, Seed: id})
		if err != nil {
			return "", err
		}
		if !yes {
			return fmt.Sprintf("user %q may not have the workflow: spec.users.allow is false", id), nil
		}
	}
	if len(wrong) > 0 {
		return "the user's settings break the schema: " + inOneLine(wrong), nil
	}
	return "", nil
}

// inOneLine is what is wrong with a value, in one line.
func inOneLine(wrong []schema.Diagnostic) string {
	texts := make([]string, len(wrong))
	for i, d := range wrong {
		texts[i] = strings.TrimPrefix(d.Field+": "+d.Message, ": ")
	}
	return strings.Join(texts, "; ")
}

// orNone is an empty object for nothing.
func orNone(v any) any {
	if v == nil {
		return map[string]any{}
	}
	return v
}
