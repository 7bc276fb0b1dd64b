package daemon

import (
	"context"
	"errors"
	"time"

	"paragon/engine/connect"
	"paragon/engine/seal"
	"paragon/workflows"
	"paragon/workflows/exchange"
	"paragon/workflows/steps"
)

// integrations gives steps the targets that connect finds.
type integrations struct{ connect *connect.Connect }

// Target implements steps.Integrations.
func (i integrations) Target(ctx context.Context, who steps.Caller) (steps.Target, error) {
	t, err := i.connect.Target(ctx, connect.Caller(who))
	if err != nil {
		return nil, refusal(err)
	}
	return target{i.connect, t}, nil
}

// target is a connect.Target as a step sees it.
type target struct {
	connect *connect.Connect
	*connect.Target
}

// Hide implements steps.Target.
func (t target) Hide(result []byte) []byte { return seal.NewRedactor(t.Secrets()...).JSON(result) }

// Timeout implements steps.Target.
func (t target) Timeout() time.Duration { return t.Integration.Timeout }

// Pages implements steps.Target.
func (t target) Pages() *workflows.Pages { return t.Integration.Pages }

// Refused implements steps.Target.
func (t target) Refused(ctx context.Context) (steps.Target, error) {
	again, err := t.connect.Refused(ctx, t.Target)
	if err != nil {
		return nil, refusal(err)
	}
	return target{t.connect, again}, nil
}

// refusal says of an error of connect what a step's attempt ends with.
func refusal(err error) error {
	var e *connect.Error
	if !errors.As(err, &e) {
		return err
	}
	r := &steps.Refusal{Type: steps.ErrorCredential, Message: e.Error()}
	switch e.Reason {
	case connect.ReasonUnknown, connect.ReasonBroken, connect.ReasonHost:
		r.Type = steps.ErrorIntegration
	case connect.ReasonUnavailable:
		r.Type, r.Passing = string(exchange.KindNetwork), true
		if kind := exchange.KindOf(err); kind != "" {
			r.Type = string(kind)
		}
	}
	return r
}
