package users

import (
	"errors"
	"fmt"
	"net/http"

	"paragon/engine/store"
	"paragon/schema"
)

// The errors of reading that callers tell apart.
var (
	// ErrNoUser says that the project has no such user.
	ErrNoUser = errors.New("there is no such user")
	// ErrDisabled says that the user is disabled.
	ErrDisabled = errors.New("the user is disabled")
	// ErrNoCredential says that the user, or the project, brought none.
	ErrNoCredential = errors.New("there is no such credential")
	// ErrUnavailable passes: Redis can't be reached, or is being filled.
	ErrUnavailable = errors.New("users can't be read now")
)

// InvalidError is a credential that does not work until it is connected anew.
type InvalidError struct {
	Place
	Reason string
}

// Error says why.
func (e *InvalidError) Error() string {
	return fmt.Sprintf("the credential for %s (account %s) is invalid since %s: connect it again", e.Integration, e.Account, e.Reason)
}

func invalid(field, format string, args ...any) *schema.Problem {
	detail := fmt.Sprintf(format, args...)
	return &schema.Problem{Type: schema.ProblemInvalid, Title: "Invalid", Status: http.StatusUnprocessableEntity, Detail: detail,
		Errors: []schema.Diagnostic{{Severity: schema.SeverityError, Code: "invalid", Field: field, Message: detail}}}
}

func notFound(format string, args ...any) *schema.Problem {
	return &schema.Problem{Type: schema.ProblemNotFound, Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf(format, args...)}
}

func unavailable(detail string) *schema.Problem {
	return &schema.Problem{Type: schema.ProblemUnavailable, Title: "Unavailable", Status: http.StatusServiceUnavailable, Detail: detail, RetryAfter: 2}
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
		return unavailable("the database can't be reached now, so users can't be listed or changed; calls for them go on. Try again.")
	}
	return fmt.Errorf("%s: %w", doing, err)
}
