package connect

import (
	"errors"
	"fmt"
)

// Reason says why a caller has no target.
type Reason string

// The reasons.
const (
	// ReasonUnknown is an integration that the project does not have.
	ReasonUnknown Reason = "unknown-integration"
	// ReasonBroken is an integration that can't be used as it is configured.
	ReasonBroken Reason = "broken-integration"
	// ReasonNoCredential is a caller without a credential for it.
	ReasonNoCredential Reason = "no-credential"
	// ReasonInvalid is a credential that does not work until it is connected
	// anew.
	ReasonInvalid Reason = "credential-invalid"
	// ReasonNoUser is a user that the project does not have, ReasonDisabled one
	// that is disabled.
	ReasonNoUser   Reason = "unknown-user"
	ReasonDisabled Reason = "user-disabled"
	// ReasonHost is a request to another host than the integration's.
	ReasonHost Reason = "another-host"
	// ReasonUnavailable passes: what is needed can't be reached now.
	ReasonUnavailable Reason = "unavailable"
)

// Error is a call that can't be made.
type Error struct {
	Reason Reason
	// Detail says what and what to do, for the caller. It holds no secret.
	Detail string
	// Err is the cause, nil for none.
	Err error
}

// Error is the detail, with the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Detail + ": " + e.Err.Error()
	}
	return e.Detail
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf is the reason of an error, empty for one of another kind.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func refuse(reason Reason, format string, args ...any) error {
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}
