package schema

// The types of this file are the YAML of a WorkflowTest, as those of
// workflow.go are that of a Workflow.

// WorkflowTestSpec is the spec of a WorkflowTest: what is given, and what is
// expected of the run.
type WorkflowTestSpec struct {
	// Description says what is tested.
	Description string `json:"description,omitempty"`
	// Workflow is the name of the workflow under test.
	Workflow string `json:"workflow"`
	// Files hold the workflow and those that it calls, relative to this
	// document. What is read along with it need not be named.
	Files []string `json:"files,omitempty"`
	// Given is what every case starts from.
	Given *TestGiven `json:"given,omitempty"`
	// Expect is what is expected in every case.
	Expect *TestExpect `json:"expect,omitempty"`
	// Cases are runs of their own, each with what it adds to given and expect.
	// Without any, given and expect are the one case.
	Cases []TestCase `json:"cases,omitempty"`
}

// TestCase is one run of the workflow.
type TestCase struct {
	// Name names the case in the document.
	Name string `json:"name"`
	// Values are readable as case.NAME in the expressions of given and expect.
	Values map[string]any `json:"values,omitempty"`
	// Given adds to what the document gives: fields of input, secrets, settings
	// and user are laid over, mocks come before those of the document.
	Given *TestGiven `json:"given,omitempty"`
	// Expect adds to what the document expects; a field here takes the place of
	// the document's.
	Expect *TestExpect `json:"expect,omitempty"`
}

// TestGiven is the world of a run.
type TestGiven struct {
	// Now is when the run starts (RFC 3339). Default 2026-01-01T00:00:00Z.
	Now string `json:"now,omitempty"`
	// ID is the run's id, which jitter, random() and uuid() follow from.
	// Default test.
	ID string `json:"id,omitempty"`
	// Input is the run's input; template.
	Input any `json:"input,omitempty"`
	// Trigger starts the run instead of input.
	Trigger *TestTrigger `json:"trigger,omitempty"`
	// Secrets are the values of secrets. One that is not given has its name as
	// value.
	Secrets map[string]string `json:"secrets,omitempty"`
	// Settings are those of the user; template.
	Settings map[string]any `json:"settings,omitempty"`
	// User is the connected user for whom the run is; template.
	User map[string]any `json:"user,omitempty"`
	// Requests answer the requests that leave; the first that matches and has
	// answers left does.
	Requests []TestRequestMock `json:"requests,omitempty"`
	// Calls answer the calls of other workflows. A call that none answers runs
	// the workflow, when it is among the documents.
	Calls []TestCallMock `json:"calls,omitempty"`
	// Events are sent while the run goes on.
	Events []TestEvent `json:"events,omitempty"`
	// Cancel cancels the run after a time.
	Cancel *TestCancel `json:"cancel,omitempty"`
}

// TestTrigger is what starts a run.
type TestTrigger struct {
	// ID is that of a trigger of the workflow: its condition and its input are
	// evaluated as the server does.
	ID string `json:"id"`
	// Method is that of a webhook's request. Default POST.
	Method string `json:"method,omitempty"`
	// Headers are those of a webhook's request.
	Headers map[string]string `json:"headers,omitempty"`
	// Query is that of a webhook's request.
	Query map[string]string `json:"query,omitempty"`
	// Body is that of a webhook's request, or the data of an event; template.
	Body any `json:"body,omitempty"`
	// Actor is who triggered.
	Actor string `json:"actor,omitempty"`
}

// TestRequestMock answers requests.
type TestRequestMock struct {
	// Match says which requests are meant; without it all are.
	Match *TestMatch `json:"match,omitempty"`
	// Respond is the answer, each time.
	Respond *TestAnswer `json:"respond,omitempty"`
	// Responses are the answers in order; the last one is given again, unless
	// times is set.
	Responses []TestAnswer `json:"responses,omitempty"`
	// Times is how many requests are answered; 0 is any number.
	Times int `json:"times,omitempty" min:"0" max:"1000000"`
}

// TestMatch selects requests. All that is set must hold.
type TestMatch struct {
	// Workflow is the one that sends: that under test, or one that it calls.
	Workflow string `json:"workflow,omitempty"`
	// Step is the step that sends, by id or by path (each[2]/post).
	Step string `json:"step,omitempty"`
	// Attempt is the number of the attempt, from 1.
	Attempt int `json:"attempt,omitempty" min:"0" max:"1000000"`
	// Method is the HTTP method.
	Method string `json:"method,omitempty"`
	// URL is the address without the query, unless it has one itself; * stands
	// for any text; template.
	URL string `json:"url,omitempty"`
	// Query are parameters that must be there; template.
	Query map[string]any `json:"query,omitempty"`
	// Headers are headers that must be there; template.
	Headers map[string]any `json:"headers,omitempty"`
	// Body is the body, or of an object the fields that must be there; template.
	Body any `json:"body,omitempty"`
	// If is a condition over request.
	If string `json:"if,omitempty"`
}

// TestAnswer is what the far side answers. It has one of body, text and base64
// at most, and none of them with error.
type TestAnswer struct {
	// Status is the HTTP status. Default 200.
	Status int `json:"status,omitempty" min:"100" max:"599"`
	// Headers are those of the answer; template.
	Headers map[string]any `json:"headers,omitempty"`
	// Body is sent as JSON; template.
	Body any `json:"body,omitempty"`
	// Text is sent as plain text; template.
	Text string `json:"text,omitempty"`
	// Base64 is sent as the bytes that it stands for.
	Base64 string `json:"base64,omitempty"`
	// Delay is how long the answer takes, in the test's time.
	Delay Duration `json:"delay,omitempty"`
	// Error is a far side that can't be reached (network) or never answers
	// (timeout).
	Error string `json:"error,omitempty" enum:"network,timeout"`
}

// TestCallMock answers calls of a workflow.
type TestCallMock struct {
	// Workflow is the one that is called.
	Workflow string `json:"workflow"`
	// Step is the step that calls, by id or by path.
	Step string `json:"step,omitempty"`
	// If is a condition over call, which has workflow, input, step and number.
	If string `json:"if,omitempty"`
	// Output is what the called run gives; template.
	Output any `json:"output,omitempty"`
	// Error fails the called run.
	Error *TestFailure `json:"error,omitempty"`
	// After is how long the called run takes.
	After Duration `json:"after,omitempty"`
	// Times is how many calls are answered; 0 is any number.
	Times int `json:"times,omitempty" min:"0" max:"1000000"`
}

// TestFailure is an error that a mock gives.
type TestFailure struct {
	// Type is the error's type. Default fail.
	Type string `json:"type,omitempty"`
	// Message is the error's message.
	Message string `json:"message"`
}

// TestEvent is an event that comes while the run goes on.
type TestEvent struct {
	// Event is its name.
	Event string `json:"event"`
	// Data is what it carries; template.
	Data any `json:"data,omitempty"`
	// After is when it comes, counted from the start of the run, or with
	// waiting from when that step begins to wait.
	After Duration `json:"after,omitempty"`
	// Waiting is the step that must wait first, by id or by path.
	Waiting string `json:"waiting,omitempty"`
}

// TestCancel cancels the run.
type TestCancel struct {
	// After is when, counted from the start of the run.
	After Duration `json:"after"`
	// Reason is what the cancel says.
	Reason string `json:"reason,omitempty"`
}

// TestExpect is what must be true of the run when it has ended. A value that is
// one whole expression and names actual is a condition on the value found; any
// other is the value that is wanted.
type TestExpect struct {
	// Status is how the run ends: succeeded, failed, canceled; refused when the
	// input breaks the schema, ignored when the trigger's condition does not
	// hold.
	Status string `json:"status,omitempty" enum:"succeeded,failed,canceled,refused,ignored"`
	// Output is the run's output; template.
	Output any `json:"output,omitempty"`
	// Response is what the respond step says: status, headers, body; template.
	Response map[string]any `json:"response,omitempty"`
	// Error is the failure: type, message, step, status; template. Fields that
	// are left out may be anything.
	Error map[string]any `json:"error,omitempty"`
	// Duration is how long the run takes in the test's time: one duration, or
	// {min, max}.
	Duration any `json:"duration,omitempty"`
	// Steps says what is expected of single steps, by id or by path.
	Steps map[string]TestStepExpect `json:"steps,omitempty"`
	// Ran lists the steps that ran, in the order in which they began.
	Ran []string `json:"ran,omitempty"`
	// Skipped lists steps that must not have run: skipped, or never reached.
	Skipped []string `json:"skipped,omitempty"`
	// Requests lists the requests that left, in order and all of them.
	Requests []TestRequestExpect `json:"requests,omitempty"`
	// Events lists the events that were emitted, in order and all of them.
	Events []TestEmitted `json:"events,omitempty"`
	// Calls lists the calls of other workflows, in order and all of them.
	Calls []TestCalled `json:"calls,omitempty"`
	// Assert lists conditions that must hold.
	Assert []string `json:"assert,omitempty"`
}

// TestStepExpect is what is expected of a step.
type TestStepExpect struct {
	// Status is how the step ended; none when it was never reached.
	Status string `json:"status,omitempty" enum:"succeeded,failed,skipped,canceled,none"`
	// Result is the step's result; template.
	Result any `json:"result,omitempty"`
	// Error is the step's failure: type, message, status; template. Fields that
	// are left out may be anything.
	Error map[string]any `json:"error,omitempty"`
	// Attempts is how many attempts were made; template.
	Attempts any `json:"attempts,omitempty"`
	// At lists when each attempt began, counted from the start of the run.
	At []Duration `json:"at,omitempty"`
	// Started is when the step began, counted from the start of the run.
	Started any `json:"started,omitempty"`
	// Duration is how long the step took: one duration, or {min, max}.
	Duration any `json:"duration,omitempty"`
}

// TestRequestExpect is a request that is expected.
type TestRequestExpect struct {
	// Step is the step that sends, by id or by path.
	Step string `json:"step,omitempty"`
	// Workflow is the one that sends.
	Workflow string `json:"workflow,omitempty"`
	// Attempt is the number of the attempt.
	Attempt int `json:"attempt,omitempty" min:"0" max:"1000000"`
	// Method is the HTTP method.
	Method string `json:"method,omitempty"`
	// URL is the address; without a query it is compared without it; template.
	URL string `json:"url,omitempty"`
	// Query are all parameters of the query; template.
	Query map[string]any `json:"query,omitempty"`
	// Headers are headers that must be there, null for one that must not;
	// template.
	Headers map[string]any `json:"headers,omitempty"`
	// Body is the whole body; template.
	Body any `json:"body,omitempty"`
	// At is when it is sent, counted from the start of the run: one duration, or
	// {min, max}.
	At any `json:"at,omitempty"`
}

// TestEmitted is an event that is expected.
type TestEmitted struct {
	// Event is its name; template.
	Event string `json:"event"`
	// Data is what it carries; template.
	Data any `json:"data,omitempty"`
}

// TestCalled is a call that is expected.
type TestCalled struct {
	// Workflow is the one that is called.
	Workflow string `json:"workflow"`
	// Input is what it is called with; template.
	Input any `json:"input,omitempty"`
}
