package later

import (
	"encoding/json"
	"sync"
	"time"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// Name is the workflow's. No workflow of a project can have it: it is no DNS
// label.
const Name = "paragon.call"

// Revision changes when the workflow does: runs under way keep theirs.
const Revision = 1

// mostAttempts is how often the call is attempted.
const mostAttempts = 6

// spec is the workflow. Its requests' addresses mean nothing: the Performer
// does both. The attempts of a call are over 4 minutes, unless the far side asks
// for more patience, those of a callback over 13 hours.
const spec = `{
	"description": "A call to an integration whose caller does not wait",
	"steps": [
		{"id": "call", "request": {"method": "POST", "url": "https://call.invalid/", "body": "${{ input }}"}, "timeout": "10m", "onError": "continue",
			"retry": {"maxAttempts": 6, "initialInterval": "2s", "multiplier": 3, "maxInterval": "5m", "retryOn": ["any"]}},
		{"id": "callback", "if": "${{ input.callback != nil }}", "timeout": "30s", "onError": "continue",
			"request": {"method": "POST", "url": "https://callback.invalid/", "body": {"input": "${{ input }}", "call": "${{ steps.call }}"}},
			"retry": {"maxAttempts": 10, "initialInterval": "5s", "multiplier": 5, "maxInterval": "3h", "jitter": "none", "retryOn": ["any"]}}
	],
	"output": "${{ steps.call }}"
}`

// Workflow is the workflow of calls, compiled.
var Workflow = sync.OnceValue(func() *workflows.Workflow {
	w, err := workflows.CompileSpec(Name, json.RawMessage(spec))
	if err != nil {
		panic("the workflow of calls does not compile: " + err.Error()) // a constant, and tested
	}
	return w
})

// Input is a call as its run keeps it.
type Input struct {
	Integration string `json:"integration"`
	User        string `json:"user,omitempty"`
	Account     string `json:"account,omitempty"`
	Actor       string `json:"actor,omitempty"`
	Method      string `json:"method"`
	// Path and Query are as they were sent.
	Path    string              `json:"path"`
	Query   string              `json:"query,omitempty"`
	Headers map[string][]string `json:"headers,omitempty"`
	// Body is in base64 as JSON has bytes.
	Body []byte `json:"body,omitempty"`
	// Callback is where the result is posted; nil for nowhere.
	Callback *string `json:"callback"`
	// At is when it was accepted.
	At      time.Time `json:"at"`
	TraceID string    `json:"traceId,omitempty"`
}

// result is what the step that calls results in.
type result struct {
	*api.ProxyAnswer
	Error *schema.RunError `json:"error,omitempty"`
}

// JobOf is what the caller sees of a run of the workflow.
func JobOf(run *schema.Run) (*api.ProxyJob, error) {
	var in Input
	if len(run.Input) > 0 { // else object storage has lost it
		if err := json.Unmarshal(run.Input, &in); err != nil {
			return nil, err
		}
	}
	job := &api.ProxyJob{ID: run.ID, Status: string(run.Status), Integration: in.Integration, User: in.User, Method: in.Method, Path: in.Path,
		CreatedAt: run.CreatedAt, EndedAt: run.EndedAt, Error: run.Error}
	if len(run.Output) > 0 {
		var out result
		if err := json.Unmarshal(run.Output, &out); err != nil {
			return nil, err
		}
		if job.Answer = out.ProxyAnswer; out.Error != nil {
			job.Error = out.Error
		}
	}
	return job, nil
}
