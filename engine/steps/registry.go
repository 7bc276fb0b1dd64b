package steps

import (
	"time"

	"paragon/engine/outbound"
	"paragon/workflows"
	"paragon/workflows/function"
)

// New makes the performers of the kinds that reach outside the run and need
// nothing of the engine: request and function. now is the clock for Retry-After
// and the expiry of tokens; nil is the system's.
func New(client *outbound.Client, sandbox *function.Sandbox, now func() time.Time) map[workflows.StepKind]Performer {
	if now == nil {
		now = time.Now
	}
	return map[workflows.StepKind]Performer{
		workflows.StepRequest:  NewRequests(client, now),
		workflows.StepFunction: NewFunctions(sandbox),
	}
}
