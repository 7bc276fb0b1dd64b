package proxy

import (
	"context"
	"errors"
	"net/http"
	"time"

	"paragon/engine/connect"
	"paragon/schema"
)

// Connected finds targets among a project's integrations and the credentials of
// its users.
type Connected struct{ connect *connect.Connect }

// NewConnected makes one.
func NewConnected(c *connect.Connect) *Connected { return &Connected{connect: c} }

// Target is where a caller's calls go now.
func (c *Connected) Target(ctx context.Context, who Caller) (*Target, error) {
	t, err := c.connect.Target(ctx, who)
	if err != nil {
		return nil, refusal(err)
	}
	return targetOf(t), nil
}

// Refused returns a target with a fresh credential, where there can be one.
func (c *Connected) Refused(ctx context.Context, t *Target) (*Target, error) {
	next, err := c.connect.Refused(ctx, t.found)
	switch {
	case err == nil:
		return targetOf(next), nil
	case t.found.Shared() && connect.ReasonOf(err) != connect.ReasonUnavailable:
		// Nothing changes about what the integration itself names: the far side's
		// own answer says most.
		return nil, nil
	}
	return nil, refusal(err)
}

func targetOf(found *connect.Target) *Target {
	i := found.Integration
	t := &Target{Base: found.Base, Credential: found.CredentialName(), Authorize: found.Authorize, Timeout: i.Timeout, Hide: found.Hide, found: found}
	if rate := i.Spec.RateLimit; rate != nil {
		t.Limit = Limit{Calls: rate.Limit, Per: time.Duration(rate.Per)}
		if rate.Headers != nil {
			t.Limit.RemainingHeader, t.Limit.ResetHeader = rate.Headers.Remaining, rate.Headers.Reset
		}
	}
	if i.Retry != nil {
		t.Attempts = i.Retry.MaxAttempts
		if i.Spec.Retry.RetryOn != nil {
			on := &i.Retry.On
			t.RetryOn = func(status int) bool { return status >= 400 && on.Any || on.Codes[status] || on.Classes[status/100] }
		}
	}
	return t
}

// refusal makes a problem of why there is no target.
func refusal(err error) error {
	var e *connect.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Reason {
	case connect.ReasonUnknown, connect.ReasonNoUser:
		return problem(http.StatusNotFound, schema.ProblemNotFound, "Not found", "%s", e.Error())
	case connect.ReasonDisabled:
		return problem(http.StatusForbidden, schema.ProblemForbidden, "Forbidden", "%s", e.Error())
	case connect.ReasonNoCredential, connect.ReasonInvalid:
		return problem(http.StatusConflict, schema.ProblemCredential, "No working credential", "%s", e.Error())
	case connect.ReasonBroken:
		return problem(http.StatusConflict, schema.ProblemConflict, "Conflict", "%s", e.Error())
	case connect.ReasonUnavailable:
		return unavailable(2, "%s", e.Error())
	}
	return err
}
