package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"paragon/schema"
	"paragon/workflows/exchange"
)

// The ways in which a call gets no answer.
var (
	errTimeout  = errors.New("timed out")
	errCanceled = errors.New("the caller went away")
	errNetwork  = errors.New("the connection failed")
	errBlocked  = errors.New("the address may not be reached")
	errOpen     = errors.New("the circuit breaker is open")
	errTooLarge = errors.New("the answer is too large")
	errStopped  = errors.New("the user was disabled or deleted")
	// errBroken ends a call whose answer had begun.
	errBroken = errors.New("the answer broke off")
)

// patience bounds a call: until the answer's header, and then each wait for
// more of the body.
type patience struct {
	caller context.Context
	// ctx ends when patience does.
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	bound  time.Duration
	until  time.Time
}

func newPatience(caller context.Context, bound time.Duration) *patience {
	p := &patience{caller: caller, bound: bound, until: time.Now().Add(bound)}
	p.ctx, p.cancel = context.WithCancelCause(caller)
	p.timer = time.AfterFunc(bound, func() { p.cancel(errTimeout) })
	return p
}

// progress begins the wait anew. It is called for each piece of a body, so it
// touches the timer only once in a while.
func (p *patience) progress(now time.Time) {
	if p.until.Sub(now) < p.bound*3/4 {
		p.until = now.Add(p.bound)
		p.timer.Reset(p.bound)
	}
}

func (p *patience) left() time.Duration { return time.Until(p.until) }

func (p *patience) end() {
	p.timer.Stop()
	p.cancel(nil)
}

// sleep waits, unless the caller goes away or patience ends.
func (p *patience) sleep(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.ctx.Done():
		return p.classify(p.ctx.Err())
	}
}

// classify says in which way an exchange failed.
func (p *patience) classify(err error) error {
	var tooBig *http.MaxBytesError
	var netErr net.Error
	switch {
	case errors.As(err, &tooBig):
		return tooBig
	case p.caller.Err() != nil:
		return fmt.Errorf("%w: %w", errCanceled, err)
	case errors.As(err, new(*exchange.Blocked)):
		return fmt.Errorf("%w: %w", errBlocked, err)
	case errors.Is(context.Cause(p.ctx), errTimeout), errors.As(err, &netErr) && netErr.Timeout():
		return fmt.Errorf("%w: %w", errTimeout, err)
	}
	return fmt.Errorf("%w: %w", errNetwork, err)
}

// failure makes a problem of an attempt that failed, as its caller is told it.
func (x *passage) failure(err error) error {
	far := func(status int, typ schema.ProblemType, format string, args ...any) error {
		return &failed{cause: err, problem: problem(status, typ, http.StatusText(status), format, args...)}
	}
	name := x.call.Integration
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*http.MaxBytesError)):
		return &failed{cause: err, problem: tooLarge(x.proxy.opts.MaxBody)}
	case errors.Is(err, errTimeout):
		return far(http.StatusGatewayTimeout, schema.ProblemTimeout, "%s did not answer within %s", name, schema.Duration(x.target.timeout()))
	case errors.Is(err, errBlocked):
		return far(http.StatusBadGateway, schema.ProblemFarSide, "%s can't be reached: %v; allow it in the server's configuration if it is meant", name, rootCause(err))
	case errors.Is(err, errNetwork):
		return far(http.StatusBadGateway, schema.ProblemFarSide, "%s can't be reached: %v", name, rootCause(err))
	}
	return err
}

// failed is a problem that remembers its cause.
type failed struct {
	problem *schema.Problem
	cause   error
}

func (f *failed) Error() string   { return f.problem.Error() }
func (f *failed) Unwrap() []error { return []error{f.problem, f.cause} }

// rootCause is the innermost text of a failure: the outer ones repeat what the
// caller knows.
func rootCause(err error) error {
	for {
		var next error
		switch e := err.(type) { //nolint:errorlint // each layer is looked at
		case interface{ Unwrap() []error }:
			list := e.Unwrap()
			next = list[len(list)-1]
		case interface{ Unwrap() error }:
			next = e.Unwrap()
		}
		if next == nil {
			return err
		}
		if _, ok := err.(*exchange.Blocked); ok { //nolint:errorlint // this very layer
			return err
		}
		err = next
	}
}
