package interpret

import (
	"encoding/json"
	"fmt"

	"paragon/schema"
	"paragon/workflows"
)

// TriggerInput computes the input of a run from its trigger: spec.input when
// the trigger has one, else body. It reports whether the trigger's condition
// holds. The error is a *schema.Problem: the workflow's expressions fail on
// this trigger.
func TriggerInput(t *workflows.Trigger, trigger schema.Trigger, body json.RawMessage, who Person) (json.RawMessage, bool, error) {
	if t.If == nil && t.Input == nil {
		return body, true, nil
	}
	scope := TriggerScope(trigger, decode(body), who)
	if t.If != nil {
		yes, err := t.If.EvalBool(scope)
		if err != nil {
			return nil, false, badTrigger(t, "if", err)
		}
		if !yes {
			return nil, false, nil
		}
	}
	if t.Input == nil {
		return body, true, nil
	}
	value, err := t.Input.Eval(scope)
	if err != nil {
		return nil, false, badTrigger(t, "input", err)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, false, badTrigger(t, "input", err)
	}
	return raw, true, nil
}

// TriggerUser is the id of the user whom a trigger's run is for: what spec.user
// makes of the trigger, else who was named. Empty is nobody. The error is a
// *schema.Problem, as that of TriggerInput.
func TriggerUser(t *workflows.Trigger, trigger schema.Trigger, body json.RawMessage, named string) (string, error) {
	if t.User == nil {
		return named, nil
	}
	id, err := t.User.EvalString(TriggerScope(trigger, decode(body), Person{}))
	if err != nil {
		return "", badTrigger(t, "user", err)
	}
	return id, nil
}

func badTrigger(t *workflows.Trigger, field string, err error) *schema.Problem {
	return &schema.Problem{
		Type: schema.ProblemInvalid, Title: "Invalid input", Status: 422,
		Detail: fmt.Sprintf("the trigger's %s can't be computed: %v", field, err),
		Errors: []schema.Diagnostic{{Severity: schema.SeverityError, Code: "expression", Message: err.Error(), Field: "spec.triggers." + t.Spec.ID + "." + field}},
	}
}
