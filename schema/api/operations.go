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

// BulkReplayRequest is the body of POST …/runs/replay: which ended runs to
// replay. At least one of Workflow, Status, Since and Error is set.
type BulkReplayRequest struct {
	Workflow string             `json:"workflow,omitempty"`
	Status   []schema.RunStatus `json:"status,omitempty"`
	Since    time.Time          `json:"since,omitzero"`
	Until    time.Time          `json:"until,omitzero"`
	Error    string             `json:"error,omitempty"`
	From     string             `json:"from,omitempty"`
	// DryRun only counts.
	DryRun bool `json:"dryRun,omitempty"`
}

// BulkReplayResult answers POST …/runs/replay.
type BulkReplayResult struct {
	DryRun bool `json:"dryRun,omitempty"`
	// Matched is how many runs the filter selects.
	Matched int `json:"matched"`
	// Runs are the ids of the new runs.
	Runs []string `json:"runs,omitempty"`
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
	Role string `json:"role"`
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
