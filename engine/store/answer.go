package store

import (
	"context"
	"time"
)

// Answers keeps what mutations with an idempotency key were answered.
type Answers interface {
	// ClaimAnswer writes a claim, which is an Answer without one, and returns
	// nil; or it returns what is there under the id and has not expired by now.
	ClaimAnswer(ctx context.Context, claim Answer, now time.Time) (*Answer, error)
	// SaveAnswer writes the answer of a claim, if that is still its owner's:
	// held tells.
	SaveAnswer(ctx context.Context, a Answer) (held bool, err error)
	// DropAnswer gives a claim up, if it is still the owner's and has no answer.
	DropAnswer(ctx context.Context, id, owner []byte) error
	// DeleteAnswers removes what has expired by now, and returns how many those
	// were.
	DeleteAnswers(ctx context.Context, now time.Time) (int64, error)
}

// Answer is what a mutation with an idempotency key was answered, or will be.
type Answer struct {
	// ID stands for the caller, the project and the idempotency key.
	ID []byte
	// Owner is the request that claimed it.
	Owner []byte
	// Request stands for what was asked for.
	Request []byte
	// Sealed is the answer; nil while there is none.
	Sealed []byte
	// ExpiresAt ends an answer, or a claim whose owner was lost.
	ExpiresAt time.Time
}
