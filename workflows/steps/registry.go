package steps

import (
	"paragon/workflows"
	"paragon/workflows/exchange"
	"paragon/workflows/function"
)

// New makes the performers of the kinds that reach outside the run and need
// nothing of the engine: request and function. The client's clock is that of
// timeouts, Retry-After and the expiry of tokens; integrations may be nil, for
// none.
func New(client *exchange.Client, sandbox *function.Sandbox, integrations Integrations) map[workflows.StepKind]Performer {
	return map[workflows.StepKind]Performer{
		workflows.StepRequest:  NewRequests(client, integrations),
		workflows.StepFunction: NewFunctions(sandbox),
	}
}
