package steps

import (
	"context"
	"encoding/json"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

// Performer performs one kind of step.
type Performer interface {
	// Perform makes one attempt. It returns when the attempt has ended, or
	// soon after ctx is done. It never panics on what the workflow, the input
	// or the far side hold.
	Perform(ctx context.Context, call Call) Outcome
}

// Call is one attempt at one step.
type Call struct {
	Step *workflows.Step
	// Scope is what the step's expressions see.
	Scope *workflows.Scope
	// Project, Run and Path say which step of which run this is.
	Project, Run, Path string
	// User is the id of the user whom the run is for; empty for none.
	User string
	// Attempt counts from 1.
	Attempt int
	// IdempotencyKey is the same at every attempt of the step.
	IdempotencyKey string
	// TraceParent is the W3C traceparent to send; empty for none.
	TraceParent string
	// Redact replaces the values of secrets in a text by ***.
	Redact func(string) string
}

// Outcome is how an attempt ended.
type Outcome struct {
	// Result is the step's result as JSON; nil when Err is set.
	Result json.RawMessage
	// Err says why the attempt failed.
	Err *schema.RunError
	// RetryAfter is the wait that the far side asked for; 0 for none.
	RetryAfter time.Duration
	// Fatal says that another attempt can't end otherwise (the step's own
	// expressions fail, a URL is malformed), whatever the retry policy says.
	Fatal bool
	// Interrupted says that the attempt was cut short by ctx being canceled,
	// not by its own timeout: it counts as no attempt.
	Interrupted bool
	// Request and Response are what left and what came, redacted and cut.
	Request, Response *schema.HTTPRecord
}
