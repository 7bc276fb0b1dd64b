package config

import (
	"errors"
	"fmt"
	"net/http"

	"paragon/engine/store"
	"paragon/schema"
)

// retryAfter is the wait in seconds that a caller is asked for while the store
// is away.
const retryAfter = 2

func notFound(format string, args ...any) *schema.Problem {
	return &schema.Problem{Type: schema.ProblemNotFound, Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) *schema.Problem {
	return &schema.Problem{Type: schema.ProblemConflict, Title: "Conflict", Status: http.StatusConflict, Detail: fmt.Sprintf(format, args...)}
}

func forbidden(format string, args ...any) *schema.Problem {
	return &schema.Problem{Type: schema.ProblemForbidden, Title: "Forbidden", Status: http.StatusForbidden, Detail: fmt.Sprintf(format, args...)}
}

func precondition(format string, args ...any) *schema.Problem {
	return &schema.Problem{Type: schema.ProblemPrecondition, Title: "Precondition failed", Status: http.StatusPreconditionFailed,
		Detail: fmt.Sprintf(format, args...)}
}

func invalid(detail string, errs []schema.Diagnostic) *schema.Problem {
	return &schema.Problem{Type: schema.ProblemInvalid, Title: "Invalid", Status: http.StatusUnprocessableEntity, Detail: detail, Errors: errs}
}

// invalidDocuments sums findings up.
func invalidDocuments(diags []schema.Diagnostic) *schema.Problem {
	n := 0
	first := ""
	for _, d := range diags {
		if d.Severity != schema.SeverityWarning {
			if n++; n == 1 {
				first = d.Message
			}
		}
	}
	if n == 1 {
		return invalid("nothing was changed: "+first, diags)
	}
	return invalid(fmt.Sprintf("nothing was changed: %d errors, the first: %s", n, first), diags)
}

// storeError makes a problem of the errors of the store that the caller can
// act on.
func storeError(doing string, err error) error {
	var p *schema.Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return p
	case errors.Is(err, store.ErrUnavailable):
		return &schema.Problem{Type: schema.ProblemUnavailable, Title: "Unavailable", Status: http.StatusServiceUnavailable,
			Detail: "the database can't be reached now, so configuration can't be read or changed; runs go on. Try again.", RetryAfter: retryAfter}
	}
	return fmt.Errorf("%s: %w", doing, err)
}
