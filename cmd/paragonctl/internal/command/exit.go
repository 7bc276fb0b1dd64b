package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// The exit codes. `diff` alone has meanings of its own for 0 and 1.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitNotFound    = 3
	ExitRefused     = 4
	ExitConflict    = 5
	ExitInvalid     = 6
	ExitTimeout     = 7
	ExitUnreachable = 8
	ExitInterrupted = 130
)

// ErrInterrupted is the cause of a context that a signal ended.
var ErrInterrupted = terminal.ErrInterrupted

// ErrWaited is the cause of a context that --timeout ended.
var ErrWaited = errors.New("timed out")

// Failure is an error with an exit code and what to try next of its own.
type Failure struct {
	// Code is the exit code; 0 leaves it to Err.
	Code int
	Err  error
	// Try is the hint; empty leaves it to Err.
	Try string
}

// Error is what Err says.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap gives Err.
func (f *Failure) Unwrap() error { return f.Err }

// Quiet ends a command with an exit code and no message: all is said.
type Quiet struct{ Code int }

// Error names the code.
func (q *Quiet) Error() string { return fmt.Sprintf("exit code %d", q.Code) }

// Usage is a mistake in how a command was called.
func Usage(format string, args ...any) error {
	return &Failure{Code: ExitUsage, Err: failf(format, args...)}
}

// WithTry adds a hint to an error; nil stays nil.
func WithTry(err error, try string) error {
	if err == nil {
		return nil
	}
	return &Failure{Err: err, Try: try}
}

func failf(format string, args ...any) error { return fmt.Errorf(format, args...) }

// ExitCode is the exit code of a command that ended with the error.
func ExitCode(err error) int {
	var (
		quiet       *Quiet
		problem     *schema.Problem
		unreachable *api.UnreachableError
	)
	switch code := ownCode(err); {
	case err == nil:
		return ExitOK
	case errors.As(err, &quiet):
		return quiet.Code
	case errors.Is(err, ErrInterrupted), errors.Is(err, context.Canceled):
		return ExitInterrupted
	case code != 0:
		return code
	case errors.Is(err, ErrWaited):
		return ExitTimeout
	case errors.As(err, &problem):
		return problemCode(problem)
	case errors.As(err, &unreachable):
		return ExitUnreachable
	case errors.Is(err, context.DeadlineExceeded):
		return ExitTimeout
	}
	return ExitFailure
}

// ownCode is the code of the outermost failure that has one, 0 for none: a
// failure that only adds a hint leaves the code to what it wraps.
func ownCode(err error) int {
	var failure *Failure
	for errors.As(err, &failure) {
		if failure.Code != 0 {
			return failure.Code
		}
		err = failure.Err
	}
	return 0
}

func problemCode(p *schema.Problem) int {
	switch p.Type {
	case schema.ProblemInvalid, schema.ProblemTooLarge:
		return ExitInvalid
	case schema.ProblemUnauthenticated, schema.ProblemForbidden, schema.ProblemSignature:
		return ExitRefused
	case schema.ProblemNotFound:
		return ExitNotFound
	case schema.ProblemConflict, schema.ProblemPrecondition:
		return ExitConflict
	case schema.ProblemTimeout:
		return ExitTimeout
	case schema.ProblemUnavailable:
		return ExitUnreachable
	}
	// A type of a newer server: the status tells.
	switch p.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return ExitInvalid
	case http.StatusUnauthorized, http.StatusForbidden:
		return ExitRefused
	case http.StatusNotFound:
		return ExitNotFound
	case http.StatusConflict:
		return ExitConflict
	}
	return ExitFailure
}

// hint is what to try after the error, empty when there is nothing to say.
func hint(err error) string {
	var (
		failure     *Failure
		problem     *schema.Problem
		unreachable *api.UnreachableError
	)
	if errors.As(err, &failure) && failure.Try != "" {
		return failure.Try
	}
	if errors.As(err, &unreachable) {
		return unreachable.Try()
	}
	if !errors.As(err, &problem) {
		return ""
	}
	switch problem.Type {
	case schema.ProblemInvalid:
		return "correct what is wrong and run the command again"
	case schema.ProblemUnauthenticated:
		return "log in with `paragonctl auth login`, or set PARAGON_TOKEN"
	case schema.ProblemForbidden:
		return "`paragonctl auth status` shows your role; ask an admin of the project for a key with a higher one"
	case schema.ProblemNotFound:
		return "check the name, and the project (--project)"
	case schema.ProblemConflict:
		return "look at its present state, then decide"
	case schema.ProblemPrecondition:
		return "it changed in the meantime: look at it again, then repeat the command"
	case schema.ProblemTooLarge:
		return "send less at once"
	case schema.ProblemRateLimited, schema.ProblemUnavailable:
		if problem.RetryAfter > 0 {
			return fmt.Sprintf("wait %d s and repeat the command", problem.RetryAfter)
		}
		return "wait a little and repeat the command"
	case schema.ProblemTimeout:
		return "repeat the command; --timeout gives it longer where a command has it"
	case schema.ProblemInternal:
		if problem.TraceID != "" {
			return "look for trace " + problem.TraceID + " in the server's log"
		}
		return "look at the server's log"
	}
	return ""
}
