package workflows

import (
	"time"

	"paragon/schema"
)

// StepKind is the kind key of a step.
type StepKind string

// The kinds of step.
const (
	StepRequest  StepKind = "request"
	StepFunction StepKind = "function"
	StepSet      StepKind = "set"
	StepSwitch   StepKind = "switch"
	StepForEach  StepKind = "forEach"
	StepParallel StepKind = "parallel"
	StepDelay    StepKind = "delay"
	StepWaitFor  StepKind = "waitFor"
	StepRespond  StepKind = "respond"
	StepEmit     StepKind = "emit"
	StepCall     StepKind = "call"
	StepFail     StepKind = "fail"
)

// Workflow is a checked, compiled workflow. It is immutable and safe for
// concurrent use: one is shared by all the runs of a process.
type Workflow struct {
	Name string
	Spec *schema.WorkflowSpec
	// Steps and OnFailure are the compiled blocks.
	Steps     []*Step
	OnFailure []*Step
	// Output is spec.output, nil without one.
	Output *Value
	// Users says for whom the workflow runs; nil for one without users.
	Users *Users
	// Triggers are the compiled triggers, by id.
	Triggers map[string]*Trigger
	// ConcurrencyKey, RateKey, ThrottleKey and DebounceKey are the compiled
	// keys, nil without one.
	ConcurrencyKey, RateKey, ThrottleKey, DebounceKey *Value
	// Timeout bounds a run; never 0.
	Timeout time.Duration
	// Secrets names the secrets that any expression or webhook of the workflow
	// uses, sorted.
	Secrets []string

	input, output *jsonSchema
	byID          map[string]*Step
}

// Step looks a step up by its id, wherever it is nested. It returns nil for an
// unknown one.
func (w *Workflow) Step(id string) *Step { return w.byID[id] }

// StepIDs lists the ids of all steps, sorted.
func (w *Workflow) StepIDs() []string { return sortedKeys(w.byID) }

// Trigger is a compiled trigger.
type Trigger struct {
	Spec *schema.TriggerSpec
	// If filters events; nil takes all.
	If *Value
	// User makes the id of the user whom the run is for; nil takes the one who
	// was named.
	User *Value
	// Input makes the run's input; nil takes the default.
	Input *Value

	headers, query, body *jsonSchema
}

// Step is a compiled step.
type Step struct {
	ID   string
	Kind StepKind
	Spec *schema.StepSpec
	// At is the step's place in the source ("sync.yaml:14:7"), or its field
	// path when the source is not known.
	At string
	// If is the condition, nil for always.
	If *Value
	// Timeout bounds each attempt; 0 where the kind has no attempts, and where a
	// request leaves it to its integration.
	Timeout time.Duration
	// Retry is the policy with the defaults filled in, nil for one attempt.
	Retry *Retry
	// ContinueOnError is onError: continue.
	ContinueOnError bool
	// Parent is the block step around this one, nil at the top.
	Parent *Step

	// Args holds the step's compiled values by field: what a performer reads
	// instead of Spec. For request: method, url, path, account, query, headers,
	// auth, body, form, multipart, raw, as they are set. For set: the map. For
	// respond: status, headers, body. For emit: event, data, id. For call:
	// input. For fail: message. For delay: for, until. For waitFor: event.
	// For forEach: items. nil for the other kinds.
	Args *Value
	// Cond is waitFor's condition over event, nil for any.
	Cond *Value
	// Branches are the blocks of switch and parallel; Body that of forEach.
	Branches []Branch
	Body     []*Step
	// Pages is a request's compiled pagination, nil without one.
	Pages *Pages
}

// Effect tells whether the step does something outside the run, so that it is
// performed by a worker and what came before it must be checkpointed first.
func (s *Step) Effect() bool {
	switch s.Kind {
	case StepRequest, StepFunction, StepEmit, StepCall:
		return true
	}
	return false
}

// Branch is one block of a switch or of a parallel step.
type Branch struct {
	// Name is a parallel branch's name.
	Name string
	// If is a switch branch's condition; nil for else.
	If    *Value
	Steps []*Step
}

// Pages is a compiled pagination.
type Pages struct {
	Items    *Value // nil: the integration's
	NextPage *Value // nil: follow the Link header, or the integration's
	// Inherit says that the integration has the next page.
	Inherit  bool
	Until    *Value
	MaxPages int
	Partial  bool
}

// Retry is a retry policy without gaps.
type Retry struct {
	MaxAttempts     int
	InitialInterval time.Duration
	Multiplier      float64
	MaxInterval     time.Duration
	Jitter          string // full, equal, none
	MaxElapsed      time.Duration
	// On tells what is retried.
	On RetryOn
}

// RetryOn is a compiled retryOn list.
type RetryOn struct {
	Any, Timeout, Network bool
	// Codes are single statuses, Classes the hundreds (5 for 5xx).
	Codes   map[int]bool
	Classes map[int]bool
}
