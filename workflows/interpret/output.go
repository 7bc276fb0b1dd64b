package interpret

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

var noTime time.Time

// output is the run's output: its response, else spec.output. The error fails a
// run that would have succeeded.
func (m *Machine) output(status schema.RunStatus) (json.RawMessage, *schema.RunError) {
	var raw json.RawMessage
	if m.part != nil {
		if status == schema.RunSucceeded {
			raw, _ = json.Marshal(m.root.last) // a value that came from JSON
		}
		return raw, nil
	}
	switch {
	case m.response != nil:
		var said struct {
			Body json.RawMessage `json:"body"`
		}
		if err := json.Unmarshal(m.response.Result, &said); err != nil {
			return nil, &schema.RunError{Type: "internal", Message: "the recorded response is not JSON: " + err.Error()}
		}
		raw = said.Body
	case status == schema.RunSucceeded && m.in.Workflow.Output != nil:
		scope := *m.root.scope
		scope.Now, scope.Seed = m.now, m.in.ID+"/output"
		evaluated, err := m.in.Workflow.Output.Eval(&scope)
		if err != nil {
			return nil, expressionError(err)
		}
		if raw, err = json.Marshal(evaluated); err != nil {
			return nil, &schema.RunError{Type: "expression", Message: "the output can't be written as JSON: " + err.Error()}
		}
	}
	if string(raw) == "null" {
		raw = nil
	}
	if status != schema.RunSucceeded || m.in.Workflow.Spec.OutputSchema == nil {
		return raw, nil
	}
	if wrong := m.in.Workflow.CheckOutput(decode(raw)); len(wrong) > 0 {
		texts := make([]string, len(wrong))
		for i, w := range wrong {
			texts[i] = w.Field + ": " + w.Message
		}
		return nil, &schema.RunError{Type: "output", Message: "the output breaks spec.outputSchema: " + strings.Join(texts, "; ")}
	}
	return raw, nil
}

// respond evaluates the answer; it is the run's output from here on.
func (m *Machine) respond(n *node) {
	scope := m.at(n)
	status := 200
	said := map[string]any{}
	for _, field := range []string{"status", "headers", "body"} {
		v := n.step.Args.Field(field)
		if v == nil {
			continue
		}
		value, err := v.Eval(scope)
		if err != nil {
			m.failNode(n, expressionError(err))
			return
		}
		said[field] = value
	}
	if given, ok := said["status"]; ok {
		code, err := statusCode(given)
		if err != nil {
			m.failNode(n, &schema.RunError{Type: "expression", Message: "respond.status: " + err.Error()})
			return
		}
		status = code
	}
	said["status"] = status
	now := m.now
	if m.response != nil && !m.now.After(m.response.EndedAt) {
		// Two answers are never given at the same time: the order of their
		// records tells a machine that is restored which counts.
		m.now = m.response.EndedAt.Add(1)
	}
	m.settleValue(n, said, nil)
	m.now = now
	if n.rec.Status == schema.StepSucceeded {
		rec := n.rec
		m.response = &rec
	}
}

func statusCode(v any) (int, error) {
	var code float64
	switch v := v.(type) {
	case int:
		code = float64(v)
	case int64:
		code = float64(v)
	case float64:
		code = v
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return 0, err
		}
		code = f
	default:
		return 0, fmt.Errorf("a status from 200 to 599 is wanted, not %s", kindOf(v))
	}
	if code != float64(int(code)) || code < 200 || code > 599 {
		return 0, fmt.Errorf("a status from 200 to 599 is wanted, not %v", v)
	}
	return int(code), nil
}

func (m *Machine) failStep(n *node) {
	message, err := n.step.Args.Field("message").EvalString(m.at(n))
	if err != nil {
		m.failNode(n, expressionError(err))
		return
	}
	kind := n.step.Spec.Fail.Type
	if kind == "" {
		kind = "fail"
	}
	m.failNode(n, &schema.RunError{Type: kind, Message: message})
}

// expressionError is the error of an expression, with its place.
func expressionError(err error) *schema.RunError {
	out := &schema.RunError{Type: "expression", Message: err.Error()}
	var eval *workflows.EvalError
	if errors.As(err, &eval) {
		out.At = eval.At
	}
	return out
}

// errorValue is how expressions see an error.
func errorValue(err *schema.RunError) map[string]any {
	out := map[string]any{"type": err.Type, "message": err.Message}
	if err.Status != 0 {
		out["status"] = err.Status
	}
	if err.Step != "" {
		out["step"] = err.Step
	}
	return out
}

// decode reads a recorded result; null for none.
func decode(raw json.RawMessage) any {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil // only what we marshaled ourselves is recorded
	}
	return v
}

func listOf(v any) ([]any, error) {
	switch v := v.(type) {
	case []any:
		return v, nil
	case nil:
		return nil, nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var list []any
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("a list is wanted, not %s", kindOf(v))
	}
	return list, nil
}

// kindOf names the kind of a value for people.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "text"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	}
	return "a number"
}
