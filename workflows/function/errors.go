package function

import "fmt"

// Kind says how a call failed.
type Kind string

// The kinds of failure.
const (
	// KindSyntax is a source that can't be compiled.
	KindSyntax Kind = "syntax"
	// KindException is what the function threw.
	KindException Kind = "exception"
	// KindResult is a result that is not JSON.
	KindResult Kind = "result"
	// KindTimeout is a call that took longer than its limit.
	KindTimeout Kind = "timeout"
	// KindMemory is a call that needed more memory than its limit.
	KindMemory Kind = "memory"
	// KindWorker is a worker process that can't be started or broke; the
	// same call may succeed later.
	KindWorker Kind = "worker"
)

// Error says why a source can't be compiled or a call failed.
type Error struct {
	Kind Kind
	// Name is the name of what was thrown ("TypeError").
	Name string
	// Message says what went wrong.
	Message string
	// Line and Column are the place in the source, from 1; 0 when unknown.
	Line, Column int
	// Log is what the function logged until then.
	Log []string
}

// Error is the name, the message and the place.
func (e *Error) Error() string {
	s := e.Message
	if e.Name != "" {
		s = e.Name + ": " + s
	}
	switch {
	case e.Line > 0 && e.Column > 0:
		s = fmt.Sprintf("%s (line %d, column %d of the function)", s, e.Line, e.Column)
	case e.Line > 0:
		s = fmt.Sprintf("%s (line %d of the function)", s, e.Line)
	}
	return s
}
