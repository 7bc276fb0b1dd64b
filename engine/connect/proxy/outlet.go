package proxy

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// outlet is what this process knows of a credential at an integration.
type outlet struct {
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	limit   *limiter
	used    atomic.Int64 // seconds since 1970
}

type outletKey struct{ project, integration, credential string }

// outlets are those that were used lately.
type outlets struct{ all sync.Map }

// of finds or makes the outlet of a call.
func (o *outlets) of(call *Call, t *Target) *outlet {
	key := outletKey{call.Project, call.Integration, t.Credential}
	found, ok := o.all.Load(key)
	if !ok {
		made := &outlet{breaker: newBreaker(), limit: newLimiter(key)}
		found, _ = o.all.LoadOrStore(key, made)
	}
	out, _ := found.(*outlet)
	if now := time.Now().Unix(); out.used.Load() != now {
		out.used.Store(now)
	}
	return out
}

// forgetAfter is how long an outlet is kept that nothing goes through. It is
// longer than any breaker is open.
const forgetAfter = 10 * time.Minute

// follow forgets outlets that nothing goes through any more.
func (o *outlets) follow(ctx context.Context) {
	tick := time.NewTicker(forgetAfter / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			o.forget(now)
		}
	}
}

func (o *outlets) forget(now time.Time) {
	o.all.Range(func(key, value any) bool {
		out, _ := value.(*outlet)
		if now.Unix()-out.used.Load() > int64(forgetAfter/time.Second) && !out.limit.pausedAt(now) {
			o.all.Delete(key)
		}
		return true
	})
}

// The circuit breaker opens when most of the calls of the last seconds got no
// answer of the far side's, and lets one call through after a while.
const (
	breakerSeconds = 10
	breakerWindow  = 10 * time.Second
	breakerLeast   = 10 // calls; fewer say nothing
)

var (
	errUncounted = errors.New("says nothing about the far side")
	errGateway   = errors.New("the far side answers that it can't")
)

func newBreaker() *gobreaker.TwoStepCircuitBreaker[struct{}] {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1, Interval: breakerWindow, BucketPeriod: breakerWindow / 5, Timeout: breakerSeconds * time.Second,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			ended := c.TotalSuccesses + c.TotalFailures
			return ended >= breakerLeast && c.TotalFailures*2 > ended
		},
		IsExcluded: func(err error) bool {
			return err != nil && (errors.Is(err, errUncounted) || errors.Is(err, errCanceled) || errors.As(err, new(*http.MaxBytesError)))
		},
	})
}

// answerError is what an answer says about the far side: that a gateway in
// front of it can't reach it is a failure, while an error of its own (500) may
// be about this one request.
func answerError(status int) error {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return errGateway
	}
	return nil
}
