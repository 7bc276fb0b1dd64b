package schema

import (
	"encoding/json"
	"time"
)

// RunStatus is the state of a run.
type RunStatus string

// The states of a run. A run that has ended never changes again.
const (
	RunQueued    RunStatus = "queued"    // accepted; no worker has it yet
	RunRunning   RunStatus = "running"   // a worker executes its steps
	RunWaiting   RunStatus = "waiting"   // for a time, an event or a limit; it holds no worker
	RunSucceeded RunStatus = "succeeded" // ended
	RunFailed    RunStatus = "failed"    // ended
	RunCanceled  RunStatus = "canceled"  // ended
)

// RunStatuses lists every state, in the order of a run's life.
var RunStatuses = []RunStatus{RunQueued, RunRunning, RunWaiting, RunSucceeded, RunFailed, RunCanceled}

// Ended tells whether the state is final.
func (s RunStatus) Ended() bool {
	return s == RunSucceeded || s == RunFailed || s == RunCanceled
}

// Trigger says what started a run.
type Trigger struct {
	// Kind is "manual", "webhook", "cron", "event", "call", "replay" or "chunk" (a
	// part of the forEach of the run that Parent names).
	Kind string `json:"kind"`
	// ID is the trigger's id in the workflow; empty for manual and replay.
	ID string `json:"id,omitempty"`
	// Actor is the name of the key or member that asked.
	Actor string `json:"actor,omitempty"`
	// Time is when the trigger was due (cron) or received.
	Time time.Time `json:"time"`
	// Method, Headers (names in lower case) and Query are a webhook's request.
	Method  string            `json:"method,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Query   map[string]string `json:"query,omitempty"`
	// Event is the name of the event of an event trigger.
	Event string `json:"event,omitempty"`
	// Data is that event's data.
	Data json.RawMessage `json:"data,omitempty"`
	// Parent is the run that called or that is replayed.
	Parent string `json:"parent,omitempty"`
}

// Payload tells of a large value, which is kept in object storage.
type Payload struct {
	// Size is how many bytes the value has as JSON, Digest their SHA-256 in
	// hexadecimal digits.
	Size   int64  `json:"size"`
	Digest string `json:"digest"`
	// Omitted is set where the value is not in this answer: it can be read by
	// its digest, unless Error says why it is lost.
	Omitted bool   `json:"omitted,omitempty"`
	Error   string `json:"error,omitempty"`
}

// RunUser is the user whom a run is for, as the run sees it from its start to
// its end.
type RunUser struct {
	// ID is the product's own.
	ID string `json:"id"`
	// Meta is what the product says of the user, Settings what the user set for
	// the workflow: JSON objects, or nothing.
	Meta     json.RawMessage `json:"meta,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"`
}

// RunError says why a run or a step failed.
type RunError struct {
	// Type is a stable name: "http", "network", "timeout", "expression",
	// "fail", "function", "canceled", "poison", "input", "internal", …
	Type    string `json:"type"`
	Message string `json:"message"`
	// Status is the HTTP status for type "http".
	Status int `json:"status,omitempty"`
	// Step is the path of the step that failed, on a run's error.
	Step string `json:"step,omitempty"`
	// At is the step's place in the workflow's source ("sync.yaml:14:7").
	At string `json:"at,omitempty"`
}

// Error is the message behind its type.
func (e *RunError) Error() string { return e.Type + ": " + e.Message }

// Run is one execution of a workflow, as the API shows it.
type Run struct {
	// ID is "r" and 26 characters that sort by creation time; the last two
	// name the lane that the run lives in.
	ID       string    `json:"id"`
	Project  string    `json:"project"`
	Workflow string    `json:"workflow"`
	Revision int64     `json:"revision"`
	Status   RunStatus `json:"status"`
	Trigger  Trigger   `json:"trigger"`
	// User is the id of the user whom the run is for; empty for none.
	User   string          `json:"user,omitempty"`
	Input  json.RawMessage `json:"input,omitempty"`
	Output json.RawMessage `json:"output,omitempty"`
	// InputPayload and OutputPayload tell of an input and an output that are large.
	InputPayload  *Payload  `json:"inputPayload,omitempty"`
	OutputPayload *Payload  `json:"outputPayload,omitempty"`
	Error         *RunError `json:"error,omitempty"`
	// CreatedAt is when the run was accepted, StartedAt when a worker first
	// took it, EndedAt when it reached a final state.
	CreatedAt time.Time  `json:"createdAt"`
	StartedAt *time.Time `json:"startedAt,omitempty"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
	// WaitUntil is when a waiting run goes on by itself, if it does.
	WaitUntil *time.Time `json:"waitUntil,omitempty"`
	// Attempts counts the attempts of all its steps; Recoveries how often
	// another worker had to take it over.
	Attempts   int `json:"attempts"`
	Recoveries int `json:"recoveries,omitempty"`
	// TraceID is the W3C trace id that the run's work is traced under.
	TraceID string `json:"traceId,omitempty"`
}

// StepStatus is the state of a step.
type StepStatus string

// The states of a step.
const (
	StepRunning   StepStatus = "running"   // an attempt is due or under way
	StepRetrying  StepStatus = "retrying"  // an attempt failed; the next is at RetryAt
	StepWaiting   StepStatus = "waiting"   // a delay, an event or a called run
	StepSucceeded StepStatus = "succeeded" // ended
	StepFailed    StepStatus = "failed"    // ended; under onError: continue the run went on
	StepSkipped   StepStatus = "skipped"   // ended: its condition was false
	StepCanceled  StepStatus = "canceled"  // ended
)

// Ended tells whether the state is final.
func (s StepStatus) Ended() bool {
	switch s {
	case StepSucceeded, StepFailed, StepSkipped, StepCanceled:
		return true
	}
	return false
}

// Attempt is one try at a step's effect: what was sent and what came back.
type Attempt struct {
	Number    int       `json:"number"`
	StartedAt time.Time `json:"startedAt"`
	EndedAt   time.Time `json:"endedAt"`
	// Request and Response are what left and what came, with secrets as ***
	// and bodies cut to a limit.
	Request  *HTTPRecord `json:"request,omitempty"`
	Response *HTTPRecord `json:"response,omitempty"`
	Error    *RunError   `json:"error,omitempty"`
	// RetryAfter is the wait that the far side asked for.
	RetryAfter Duration `json:"retryAfter,omitempty"`
}

// HTTPRecord is a request or a response as the log keeps it.
type HTTPRecord struct {
	Method  string            `json:"method,omitempty"`
	URL     string            `json:"url,omitempty"`
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	// Size is the length of the whole body in bytes; Truncated says that Body
	// is only its beginning.
	Size      int64 `json:"size"`
	Truncated bool  `json:"truncated,omitempty"`
}

// StepRecord is what is known of one step of one run: the unit of a
// checkpoint, and of the log.
type StepRecord struct {
	// Path is the step's place in the run: its id, and inside a loop the item
	// in front ("each[3]/lookup").
	Path string `json:"path"`
	// Step is the step's id and Kind its kind key.
	Step   string     `json:"step"`
	Kind   string     `json:"kind"`
	Status StepStatus `json:"status"`
	// Attempt is the number of the latest attempt, from 1; 0 for a step
	// without an outside effect.
	Attempt   int       `json:"attempt,omitempty"`
	StartedAt time.Time `json:"startedAt"`
	EndedAt   time.Time `json:"endedAt,omitzero"`
	// RetryAt is when the next attempt of a retrying step starts, WaitUntil
	// when a waiting step goes on or times out.
	RetryAt   time.Time `json:"retryAt,omitzero"`
	WaitUntil time.Time `json:"waitUntil,omitzero"`
	// Result is the value of steps.<id>.
	Result json.RawMessage `json:"result,omitempty"`
	// ResultPayload tells of a result that is large.
	ResultPayload *Payload  `json:"resultPayload,omitempty"`
	Error         *RunError `json:"error,omitempty"`
	// Attempts are the tries that ended since the record before.
	Attempts []Attempt `json:"attempts,omitempty"`
}
