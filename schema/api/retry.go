package api

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"paragon/schema"
)

// retryPolicy says how often, and after which waits, a request is repeated.
type retryPolicy struct {
	attempts int
	// first is the bound of the first wait; it doubles up to most.
	first, most time.Duration
	// patience bounds the Retry-After that is waited for.
	patience time.Duration
}

func defaultRetry() retryPolicy {
	return retryPolicy{attempts: 4, first: 100 * time.Millisecond, most: 2 * time.Second, patience: 20 * time.Second}
}

// wait is the time before the attempt after the one that failed: what the
// server asked for, or a random part of a bound that doubles, so that clients
// that failed together don't come back together. It is not ok to repeat a
// request whose server asks for more than the policy's patience.
func (p retryPolicy) wait(attempt int, err error) (time.Duration, bool) {
	bound := min(p.first<<(attempt-1), p.most)
	jitter := time.Duration(rand.Int64N(int64(bound) + 1))
	var problem *schema.Problem
	if errors.As(err, &problem) && problem.RetryAfter > 0 {
		asked := time.Duration(problem.RetryAfter) * time.Second
		return asked + jitter, asked <= p.patience
	}
	return jitter, true
}

// sleep waits, unless the context ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
