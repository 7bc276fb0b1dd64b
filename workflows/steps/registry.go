package steps

import (
	"paragon/workflows"
	"paragon/workflows/exchange"
	"paragon/workflows/function"
)

// New makes the performers of the kinds that reach outside the run and need
// nothing of the engine: request and function. The client's clock is that of
// timeouts, Retry-After and the expiry of tokens.
func New(client *exchange.Client, sandbox *function.Sandbox) map[workflows.StepKind]Performer {
	return map[workflows.StepKind]Performer{
		workflows.StepRequest:  NewRequests(client),
		workflows.StepFunction: NewFunctions(sandbox),
	}
}
