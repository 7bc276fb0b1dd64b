package trial

import (
	"encoding/json"
	"net/url"
	"time"

	"paragon/schema"
)

// Result is how one case went.
type Result struct {
	// Test and Case name it; Case is empty in a document without cases.
	Test string `json:"test"`
	Case string `json:"case,omitempty"`
	// File and Line are where it stands.
	File     string `json:"file"`
	Line     int    `json:"line"`
	Workflow string `json:"workflow"`
	Passed   bool   `json:"passed"`
	// Failures say what is not as expected.
	Failures []Failure `json:"failures"`
	// Status is how the run ended; empty when it did not.
	Status string           `json:"status,omitempty"`
	Output json.RawMessage  `json:"output,omitempty"`
	Error  *schema.RunError `json:"error,omitempty"`
	// Duration is how long the run took in the test's time, Took how long the
	// case took on this machine.
	Duration schema.Duration `json:"duration"`
	Took     schema.Duration `json:"took"`
	Steps    []*Step         `json:"steps"`
	Requests []*Request      `json:"requests"`
	Events   []Emitted       `json:"events"`
	Calls    []Called        `json:"calls"`

	runs []*run
}

// Name is the case's name with its document's.
func (r *Result) Name() string {
	if r.Case == "" {
		return r.Test
	}
	return r.Test + "/" + r.Case
}

// Step is a step as it went. Times are counted from the start of the run.
type Step struct {
	Path     string            `json:"path"`
	ID       string            `json:"id"`
	Kind     string            `json:"kind"`
	Status   schema.StepStatus `json:"status"`
	Started  schema.Duration   `json:"started"`
	Took     schema.Duration   `json:"took"`
	Attempts []Attempt         `json:"attempts,omitempty"`
	Result   json.RawMessage   `json:"result,omitempty"`
	Error    *schema.RunError  `json:"error,omitempty"`
}

// Attempt is one attempt at a step.
type Attempt struct {
	Number int              `json:"number"`
	At     schema.Duration  `json:"at"`
	Took   schema.Duration  `json:"took"`
	Status int              `json:"status,omitempty"`
	Error  *schema.RunError `json:"error,omitempty"`
}

// Request is a request that left.
type Request struct {
	Workflow string            `json:"workflow"`
	Step     string            `json:"step"`
	Attempt  int               `json:"attempt"`
	At       schema.Duration   `json:"at"`
	Method   string            `json:"method"`
	URL      string            `json:"url"`
	Query    map[string]any    `json:"query"`
	Headers  map[string]string `json:"headers"`
	Body     any               `json:"body,omitempty"`
	// Status is the answer's; 0 when none came.
	Status int `json:"status,omitempty"`

	id      string
	at      time.Time
	pending *happening
}

// value is the request as expressions see it.
func (r *Request) value() map[string]any {
	headers := map[string]any{}
	for k, v := range r.Headers {
		headers[k] = v
	}
	return map[string]any{
		"workflow": r.Workflow, "step": r.Step, "attempt": r.Attempt, "at": time.Duration(r.At).Seconds(), "method": r.Method,
		"url": r.URL, "query": r.Query, "headers": headers, "body": r.Body, "status": r.Status,
	}
}

// Emitted is an event that an emit step sent.
type Emitted struct {
	Step  string          `json:"step"`
	Event string          `json:"event"`
	ID    string          `json:"id"`
	Data  any             `json:"data,omitempty"`
	At    schema.Duration `json:"at"`
}

// Called is a call of another workflow.
type Called struct {
	Step     string          `json:"step"`
	Workflow string          `json:"workflow"`
	Input    any             `json:"input,omitempty"`
	At       schema.Duration `json:"at"`
}

// parseQuery reads a form as an object.
func parseQuery(text string) (map[string]any, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(values))
	for name, list := range values {
		out[name] = several(list)
	}
	return out, nil
}
