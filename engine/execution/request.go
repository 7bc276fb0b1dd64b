package execution

import (
	"encoding/json"
	"time"

	"paragon/schema"
)

// Request asks for a run.
type Request struct {
	Project, Workflow string
	// Input is JSON; nil stands for null.
	Input json.RawMessage
	// Trigger says what asks. Its Time is set on acceptance when it is zero.
	Trigger schema.Trigger
	// EventID is the id of the event that asks; empty for none.
	EventID string
	// IdempotencyKey makes a second request with the same key answer with the
	// first one's run, for 24 hours.
	IdempotencyKey string
	// User is the id of the user whom the run is for; empty for none.
	User string
	// For is that user as the caller knows it already; nil: to be looked up.
	For *schema.RunUser
	// KeyLife is how long the key stands for the run in Redis; 0: 24 hours.
	KeyLife time.Duration
	// Own says that the workflow is one of Paragon itself, which nobody starts by
	// its name.
	Own bool
	// TraceParent is the caller's W3C traceparent, empty for none.
	TraceParent string
}

// Response is what a run answers its caller with: what its respond step said,
// or else its end.
type Response struct {
	Status  int
	Headers map[string]string
	// Body is JSON.
	Body json.RawMessage
}
