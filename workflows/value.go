package workflows

import "time"

// Scope is what the expressions of one evaluation see. Its values are plain
// JSON values: nil, bool, float64 or int, string, []any and map[string]any.
type Scope struct {
	Input, Trigger, Event any
	// Steps holds the results of the steps that have ended, by id.
	Steps map[string]any
	// Secrets holds the plaintext of the secrets that the workflow names.
	Secrets map[string]any
	// Run is {id, startedAt, attempt, …} and Workflow {name, revision, …}.
	Run, Workflow map[string]any
	// Settings and User are set in workflows that run for users.
	Settings, User any
	// Vars are further names: loop variables, and response and page in a
	// pagination.
	Vars map[string]any
	// Now is the time that now() returns: decided by the caller, so that a
	// replay computes the same.
	Now time.Time
	// Seed makes uuid() and random() the same at every replay of one step.
	Seed string
}
