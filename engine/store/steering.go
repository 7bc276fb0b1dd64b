package store

import (
	"context"
	"encoding/json"
	"time"
)

// Steering keeps what operators asked for: what is paused, and operations on
// many runs.
type Steering interface {
	// PutPause notes that something is paused. What is paused already stays as
	// it was.
	PutPause(ctx context.Context, p Pause) error
	// DeletePause ends a pause; one that is not there is no error.
	DeletePause(ctx context.Context, kind PauseKind, project, name string) error
	// Pauses lists all that is paused, ordered by kind, project and name.
	Pauses(ctx context.Context) ([]Pause, error)

	// CreateOperation writes a new operation, or returns ErrExists.
	CreateOperation(ctx context.Context, op Operation) error
	// Operation returns an operation, or ErrNotFound.
	Operation(ctx context.Context, project, id string) (*Operation, error)
	// Operations lists a project's operations, newest first, with ids below
	// before (empty: from the newest), at most limit.
	Operations(ctx context.Context, project, before string, limit int) ([]Operation, error)
	// LeaseOperation gives the oldest operation that has not ended and is
	// leased to nobody at the time now to an owner, or returns ErrNotFound.
	LeaseOperation(ctx context.Context, owner string, now, till time.Time) (*Operation, error)
	// SaveOperation writes an operation's progress, state and cursor and
	// extends its lease, if it is still the owner's and has not ended: held
	// tells. A state that is an end gives the lease back.
	SaveOperation(ctx context.Context, owner string, op Operation, till time.Time) (held bool, err error)
	// CancelOperation ends an operation that has not ended. It returns
	// ErrNotFound when there is none that has not.
	CancelOperation(ctx context.Context, project, id string, at time.Time) error
}

// PauseKind says what is paused.
type PauseKind string

// The kinds of what can be paused.
const (
	PauseWorkflow PauseKind = "workflow"
	PauseQueue    PauseKind = "queue"
)

// Pause says that something is paused.
type Pause struct {
	Kind PauseKind
	// Project is a workflow's; empty for a queue.
	Project string
	// Name is a workflow's name, or a queue as "0/high".
	Name string
	At   time.Time
	By   string
}

// OperationState is the state of an operation.
type OperationState string

// The states of an operation.
const (
	OperationQueued   OperationState = "queued"
	OperationRunning  OperationState = "running"
	OperationDone     OperationState = "done"     // ended
	OperationFailed   OperationState = "failed"   // ended before all was done
	OperationCanceled OperationState = "canceled" // ended by somebody
)

// Ended tells whether the state is final.
func (s OperationState) Ended() bool {
	return s == OperationDone || s == OperationFailed || s == OperationCanceled
}

// Operation is something that is done to many runs.
type Operation struct {
	ID, Project string
	// Kind says what is done: "replay" or "cancel".
	Kind  string
	State OperationState
	// Request is JSON: the filter, and what else was asked for.
	Request json.RawMessage
	// Total is how many runs it is about, Done and Failed how many of them had
	// their turn.
	Total, Done, Failed int64
	// Cursor says how far it is, for whoever goes on with it.
	Cursor string
	// Failures is JSON.
	Failures  json.RawMessage
	By        string
	CreatedAt time.Time
	UpdatedAt time.Time
	EndedAt   time.Time // zero: not yet
}
