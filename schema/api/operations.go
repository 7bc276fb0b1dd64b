package api

import (
	"time"

	"paragon/schema"
)

// ReplayRequest is the body of POST …/runs/{id}/replay, which starts a new run
// with the same input and answers 202 with it. An empty body replays from the
// start.
type ReplayRequest struct {
	// From is the id of the step to start from; the steps before it keep their
	// earlier results. Empty is the start.
	From string `json:"from,omitempty"`
}

// RunsFilter selects runs. For an operation at least one of Workflow, Status,
// Since and Error is set.
type RunsFilter struct {
	Workflow string             `json:"workflow,omitempty"`
	Status   []schema.RunStatus `json:"status,omitempty"`
	// Since and Until select runs created at or after, and before, a time.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// User selects the runs for this user.
	User string `json:"user,omitempty"`
	// Error is contained in the run's error message, in any case.
	Error string `json:"error,omitempty"`
}

// BulkReplayRequest is the body of POST …/runs/replay: which ended runs to
// replay, of which state too if Status is empty.
type BulkReplayRequest struct {
	RunsFilter
	From string `json:"from,omitempty"`
	// DryRun only counts: the answer is 200 with a RunsCount.
	DryRun bool `json:"dryRun,omitempty"`
}

// BulkCancelRequest is the body of POST …/runs/cancel: which runs that have not
// ended to cancel.
type BulkCancelRequest struct {
	RunsFilter
	// DryRun only counts: the answer is 200 with a RunsCount.
	DryRun bool `json:"dryRun,omitempty"`
}

// RunsCount answers a dry run of an operation.
type RunsCount struct {
	DryRun bool `json:"dryRun"`
	// Matched is how many runs the filter selects.
	Matched int `json:"matched"`
}

// The kinds of an Operation.
const (
	OperationReplay = "replay"
	OperationCancel = "cancel"
)

// The states of an Operation.
const (
	OperationQueued   = "queued"
	OperationRunning  = "running"
	OperationDone     = "done"
	OperationFailed   = "failed"
	OperationCanceled = "canceled"
)

// Operation is something that is done to many runs in the background.
type Operation struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	// State is queued, running, done, failed or canceled. One that is done may
	// have failed for some of its runs.
	State string `json:"state"`
	// Filter is which runs it is about: those that existed when it was asked for.
	Filter RunsFilter `json:"filter"`
	From   string     `json:"from,omitempty"`
	// Total is how many runs it is about, 0 until they are counted; Done and
	// Failed are how many of them had their turn.
	Total  int64 `json:"total"`
	Done   int64 `json:"done"`
	Failed int64 `json:"failed"`
	// Failures names the first runs that it failed for.
	Failures  []OperationFailure `json:"failures,omitempty"`
	By        string             `json:"by,omitempty"`
	CreatedAt time.Time          `json:"createdAt"`
	UpdatedAt time.Time          `json:"updatedAt"`
	EndedAt   time.Time          `json:"endedAt,omitzero"`
}

// Ended tells whether the operation has ended.
func (o *Operation) Ended() bool { return o.State != OperationQueued && o.State != OperationRunning }

// OperationFailure says why an operation failed for a run; Run is empty when
// it failed as a whole.
type OperationFailure struct {
	Run   string `json:"run,omitempty"`
	Error string `json:"error"`
}

// Key is an API key, without its secret part.
type Key struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role string `json:"role"`
	// Scope has what of its role the key may do; empty: all.
	Scope     []string  `json:"scope,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	CreatedBy string    `json:"createdBy,omitempty"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	LastUsed  time.Time `json:"lastUsed,omitzero"`
}

// CreateKeyRequest is the body of POST …/keys.
type CreateKeyRequest struct {
	Name string `json:"name"`
	// Role is owner, admin, developer, operator or viewer.
	Role string `json:"role" enum:"owner,admin,developer,operator,viewer"`
	// Scope narrows the role to some of what it allows, such as
	// ["runs.trigger"]; empty: all of it.
	Scope []string `json:"scope,omitempty"`
	// ExpiresAt ends the key; zero is never.
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// CreatedKey answers POST …/keys with 201: the one time the token is shown.
type CreatedKey struct {
	Key
	Token string `json:"token"`
}
