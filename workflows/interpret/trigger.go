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
func TriggerInput(t *workflows.Trigger, trigger schema.Trigger, body json.RawMessage) (json.RawMessage, bool, error) {
	if t.If == nil && t.Input == nil {
		return body, true, nil
	}
	var received any
	if len(body) > 0 && json.Unmarshal(body, &received) != nil {
		received = nil
	}
	scope := TriggerScope(trigger, received)
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

func badTrigger(t *workflows.Trigger, field string, err error) *schema.Problem {
	return &schema.Problem{
		Type: schema.ProblemInvalid, Title: "Invalid input", Status: 422,
		Detail: fmt.Sprintf("the trigger's %s can't be computed: %v", field, err),
		Errors: []schema.Diagnostic{{Severity: schema.SeverityError, Code: "expression", Message: err.Error(), Field: "spec.triggers." + t.Spec.ID + "." + field}},
	}
}
