package steps

import (
	"encoding/json"

	"paragon/schema"
)

// Emission is the event that an emit step sends.
type Emission struct {
	// ID is the one that the step sets, else the attempt's idempotency key.
	ID, Name string
	// Data is JSON; empty for none.
	Data json.RawMessage
}

// EmissionOf evaluates an emit step.
func EmissionOf(call Call) (Emission, error) {
	out := Emission{ID: call.IdempotencyKey}
	var err error
	if out.Name, err = call.Step.Args.Field("event").EvalString(call.Scope); err != nil {
		return out, err
	}
	if id := call.Step.Args.Field("id"); id != nil {
		if out.ID, err = id.EvalString(call.Scope); err != nil {
			return out, err
		}
	}
	if data := call.Step.Args.Field("data"); data != nil {
		value, err := data.Eval(call.Scope)
		if err != nil {
			return out, err
		}
		if out.Data, err = json.Marshal(value); err != nil {
			return out, err
		}
	}
	return out, nil
}

// CallInput evaluates the input of the run that a call step starts; empty for none.
func CallInput(call Call) (json.RawMessage, error) {
	in := call.Step.Args.Field("input")
	if in == nil {
		return nil, nil
	}
	value, err := in.Eval(call.Scope)
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// Waits tells whether a call step waits for the run that it starts.
func Waits(call Call) bool {
	wait := call.Step.Spec.Call.Wait
	return wait == nil || *wait
}

// Started is the outcome of an emit or a call that waits for nothing: the id of
// the event or the run.
func Started(id string) Outcome {
	raw, _ := json.Marshal(map[string]string{"id": id}) // a plain string
	return Outcome{Result: raw}
}

// FailedExpression is the outcome of an attempt whose expressions fail.
func FailedExpression(err error) Outcome {
	return Outcome{Fatal: true, Err: &schema.RunError{Type: errorExpression, Message: err.Error()}}
}
