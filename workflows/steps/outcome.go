package steps

import (
	"context"
	"errors"
	"fmt"

	"paragon/schema"
	"paragon/workflows/exchange"
	"paragon/workflows/token"
)

// The types of RunError that performers use beside the kinds of exchange.
const (
	errorHTTP       = "http"
	errorExpression = "expression"
	errorResponse   = "response" // the answer can't be read as the step wants
	errorPagination = "pagination"
	errorTimeout    = "timeout"
	errorCanceled   = "canceled"
)

// failure is an error on its way to becoming an Outcome.
type failure struct {
	err   *schema.RunError
	fatal bool
}

func (f *failure) Error() string { return f.err.Error() }

// fatal is a failure that no other attempt can avoid.
func fatal(format string, args ...any) error {
	return &failure{err: &schema.RunError{Type: errorExpression, Message: fmt.Sprintf(format, args...)}, fatal: true}
}

// expression is the failure of an expression of the step.
func expression(what string, err error) error { return fatal("%s: %s", what, err) }

// outcome turns an error into how the attempt ended. ctx is the caller's,
// without the attempt's own timeout.
func outcome(ctx context.Context, err error, redact func(string) string) Outcome {
	if ctx.Err() != nil {
		return Outcome{Interrupted: true, Err: &schema.RunError{Type: errorCanceled, Message: "the attempt was interrupted"}}
	}
	var f *failure
	var o *exchange.Error
	var t *token.Error
	var r *Refusal
	out := Outcome{}
	switch {
	case errors.As(err, &r):
		out.Err, out.Fatal = &schema.RunError{Type: r.Type, Status: r.Status, Message: r.Message}, !r.Passing
	case errors.As(err, &t) && t.Status != 0:
		out.Err = &schema.RunError{Type: errorHTTP, Status: t.Status, Message: t.Message}
	case errors.As(err, &t):
		out.Err = &schema.RunError{Type: errorResponse, Message: t.Message}
	case errors.As(err, &f):
		e := *f.err
		out.Err, out.Fatal = &e, f.fatal
	case errors.As(err, &o):
		out.Err = &schema.RunError{Type: string(o.Kind), Message: err.Error()}
		switch o.Kind {
		case exchange.KindBlocked:
			out.Fatal = true
		case exchange.KindInvalid:
			out.Err.Type, out.Fatal = errorExpression, true
		}
	case errors.Is(err, context.DeadlineExceeded):
		out.Err = &schema.RunError{Type: errorTimeout, Message: "the attempt timed out"}
	default:
		out.Err = &schema.RunError{Type: "internal", Message: err.Error()}
	}
	out.Err.Message = redact(out.Err.Message)
	return out
}
