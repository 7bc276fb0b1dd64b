package schema

// The types of this file are the YAML of a Workflow, field by field; their doc
// comments are the text of the published JSON Schema and of `explain`.
//
// A field of type any takes a value in which strings may hold expressions
// (`${{ … }}`); a string field whose comment says "template" does so too. A
// string that is one whole expression keeps the value's type.
//
// The tags enum, min and max say which values a field may have; the decoder
// checks them and the JSON Schema publishes them. A field without omitempty is
// required.

// WorkflowSpec is the spec of a Workflow.
type WorkflowSpec struct {
	// Description says what the workflow is for.
	Description string `json:"description,omitempty"`
	// Users makes this a workflow of the product's users: it runs for each of
	// them who has enabled it.
	Users *UsersSpec `json:"users,omitempty"`
	// Triggers start runs. The manual trigger needs no entry.
	Triggers []TriggerSpec `json:"triggers,omitempty"`
	// Input is a JSON Schema (draft 2020-12) that a run's input is checked
	// against before the run is accepted.
	Input map[string]any `json:"input,omitempty"`
	// Output is the run's output when no respond step sets it.
	Output any `json:"output,omitempty"`
	// OutputSchema is a JSON Schema that the run's output must satisfy.
	OutputSchema map[string]any `json:"outputSchema,omitempty"`
	// Concurrency limits how many runs execute at once.
	Concurrency *ConcurrencySpec `json:"concurrency,omitempty"`
	// RateLimit limits how many runs may start in a time; more are dropped
	// with an answer that says so.
	RateLimit *RateSpec `json:"rateLimit,omitempty"`
	// Throttle limits how many runs may start in a time; more wait.
	Throttle *RateSpec `json:"throttle,omitempty"`
	// Debounce starts one run after triggers have been quiet for a time.
	Debounce *DebounceSpec `json:"debounce,omitempty"`
	// Priority decides which queued runs start first: high, normal (the
	// default) or low.
	Priority Priority `json:"priority,omitempty" enum:"high,normal,low"`
	// Durability says what accepted means: the run is in Redis (queue, the
	// default), or also in the SQL store (store).
	Durability Durability `json:"durability,omitempty" enum:"queue,store"`
	// Timeout ends a run that takes longer, waits included. Default 30d.
	Timeout Duration `json:"timeout,omitempty"`
	// Defaults apply to every step that does not say otherwise.
	Defaults *DefaultsSpec `json:"defaults,omitempty"`
	// Steps run in order.
	Steps []StepSpec `json:"steps"`
	// OnFailure steps run once when the run fails.
	OnFailure []StepSpec `json:"onFailure,omitempty"`
}

// UsersSpec says for which users a workflow runs, and what each of them sets.
type UsersSpec struct {
	// Allow is an expression over user that must be true for a user to have the
	// workflow. It is evaluated again when the user's meta changes. Default: all
	// users may.
	Allow string `json:"allow,omitempty"`
	// Default says what holds for a user who has not chosen: disabled (the
	// default) or enabled.
	Default string `json:"default,omitempty" enum:"disabled,enabled"`
	// Settings is a JSON Schema (draft 2020-12) of what each user sets, which
	// steps read as settings. The default of a property holds for a user who does
	// not set it. A user whose settings do not fit has no runs.
	Settings map[string]any `json:"settings,omitempty"`
}

// EnabledByDefault tells whether a user who has not chosen has the workflow.
func (u *UsersSpec) EnabledByDefault() bool { return u.Default == "enabled" }

// Priority orders queued runs.
type Priority string

// The priorities of a workflow's runs.
const (
	PriorityHigh   Priority = "high"
	PriorityNormal Priority = "normal"
	PriorityLow    Priority = "low"
)

// Durability says when a run counts as accepted.
type Durability string

// The durabilities of a workflow's runs.
const (
	DurabilityQueue Durability = "queue"
	DurabilityStore Durability = "store"
)

// TriggerSpec is one way to start a run. It has exactly one of Webhook, Cron,
// Event and Manual.
type TriggerSpec struct {
	// ID names the trigger in the workflow; a webhook's URL ends in it.
	ID string `json:"id"`
	// Manual lets people and programs start runs by hand. It is always there;
	// an entry only documents it.
	Manual *ManualTrigger `json:"manual,omitempty"`
	// Webhook starts a run for each request to
	// /hooks/{project}/{workflow}/{trigger}.
	Webhook *WebhookTrigger `json:"webhook,omitempty"`
	// Cron starts runs by the clock.
	Cron *CronTrigger `json:"cron,omitempty"`
	// Event starts a run for each event of a name.
	Event *EventTrigger `json:"event,omitempty"`
	// User is the id of the user whom the run is for (template over trigger and
	// event), in a workflow with users. A webhook needs it. By default an event
	// is for the user whom its sender named; a cron trigger is for all who
	// enabled the workflow.
	User string `json:"user,omitempty"`
	// Input is the run's input, from trigger and event, and from user and
	// settings in a workflow with users. By default it is a webhook's body, an
	// event's data, or null.
	Input any `json:"input,omitempty"`
}

// ManualTrigger has no settings.
type ManualTrigger struct{}

// WebhookTrigger is a request from outside that starts a run.
type WebhookTrigger struct {
	// Method is the one method accepted. Default POST.
	Method string `json:"method,omitempty"`
	// Auth says how a request proves where it comes from. Without it anyone
	// who can reach the server can start runs.
	Auth *WebhookAuth `json:"auth,omitempty"`
	// Headers, Query and Body are JSON Schemas that the request must satisfy.
	Headers map[string]any `json:"headers,omitempty"`
	Query   map[string]any `json:"query,omitempty"`
	Body    map[string]any `json:"body,omitempty"`
	// Respond says when the caller is answered: accepted (the default: 202 at
	// once) or result (with what the respond step says, or the run's end).
	Respond string `json:"respond,omitempty" enum:"accepted,result"`
	// Timeout bounds the wait of respond: result. Default 30s.
	Timeout Duration `json:"timeout,omitempty"`
}

// WebhookAuth has exactly one field.
type WebhookAuth struct {
	// Preset verifies as a well-known sender signs.
	Preset *WebhookPreset `json:"preset,omitempty"`
	// HMAC verifies a signature of the body.
	HMAC *HMACAuth `json:"hmac,omitempty"`
	// Basic is HTTP basic authentication (RFC 7617).
	Basic *BasicAuth `json:"basic,omitempty"`
	// Bearer is a bearer token (RFC 6750).
	Bearer *BearerAuth `json:"bearer,omitempty"`
	// APIKey is a fixed value in a header or a query parameter.
	APIKey *APIKeyAuth `json:"apiKey,omitempty"`
}

// WebhookPreset is the signature scheme of a well-known sender.
type WebhookPreset struct {
	// Name is github, stripe, slack or standard (Standard Webhooks, Svix).
	Name string `json:"name" enum:"github,stripe,slack,standard"`
	// Secret names the Secret that holds the signing secret.
	Secret string `json:"secret"`
	// Tolerance is the greatest age of a signed timestamp. Default 5m.
	Tolerance Duration `json:"tolerance,omitempty"`
}

// HMACAuth verifies HMAC (RFC 2104) of the body.
type HMACAuth struct {
	// Secret names the Secret that holds the key.
	Secret string `json:"secret"`
	// Header carries the signature.
	Header string `json:"header"`
	// Algorithm is sha1, sha256 (the default) or sha512.
	Algorithm string `json:"algorithm,omitempty" enum:"sha1,sha256,sha512"`
	// Encoding of the signature is hex (the default) or base64.
	Encoding string `json:"encoding,omitempty" enum:"hex,base64"`
	// Prefix stands before the signature in the header ("sha256=").
	Prefix string `json:"prefix,omitempty"`
	// TimestampHeader carries a Unix time in seconds; when it is set, the
	// signed text is the timestamp, a dot and the body.
	TimestampHeader string `json:"timestampHeader,omitempty"`
	// Tolerance is the greatest distance of that time from now. Default 5m.
	Tolerance Duration `json:"tolerance,omitempty"`
}

// BasicAuth names the Secrets of a user name and a password.
type BasicAuth struct {
	// Username is the user name itself (template in a request).
	Username string `json:"username"`
	// Password names the Secret of the password in a webhook; in a request it
	// is the password (template).
	Password string `json:"password"`
}

// BearerAuth is a bearer token.
type BearerAuth struct {
	// Token names the Secret of the token in a webhook; in a request it is the
	// token (template).
	Token string `json:"token"`
}

// APIKeyAuth is a fixed value that the caller sends.
type APIKeyAuth struct {
	// Secret names the Secret that holds the value.
	Secret string `json:"secret"`
	// Header or Query says where it is sent; exactly one is set.
	Header string `json:"header,omitempty"`
	Query  string `json:"query,omitempty"`
}

// CronTrigger starts runs by the clock.
type CronTrigger struct {
	// Schedule has five fields (minute, hour, day of month, month, day of
	// week), six with seconds in front, or a name such as @daily.
	Schedule string `json:"schedule"`
	// Timezone is an IANA name. Default UTC.
	Timezone string `json:"timezone,omitempty"`
	// Jitter delays each start by a fixed share of this time, to spread
	// workflows with the same schedule. In a workflow with users it is what the
	// users' runs are spread over; by default half of the time until the next
	// start, and ten minutes at most.
	Jitter Duration `json:"jitter,omitempty"`
	// CatchUp says what happens to times missed while no scheduler ran: none
	// (the default), latest or all.
	CatchUp string `json:"catchUp,omitempty" enum:"none,latest,all"`
	// Overlap says what happens when the run before has not ended: allow (the
	// default), skip or cancelPrevious.
	Overlap string `json:"overlap,omitempty" enum:"allow,skip,cancelPrevious"`
}

// EventTrigger starts a run for each event of a name.
type EventTrigger struct {
	// Name is the event's name.
	Name string `json:"name"`
	// If is an expression over event that must be true.
	If string `json:"if,omitempty"`
}

// ConcurrencySpec limits how many runs of the workflow execute at once.
type ConcurrencySpec struct {
	// Limit is the number of runs.
	Limit int `json:"limit" min:"1" max:"100000"`
	// Key gives each of its values a limit of its own (template over input).
	Key string `json:"key,omitempty"`
	// OnLimit is queue (the default), skip or cancelOldest.
	OnLimit string `json:"onLimit,omitempty" enum:"queue,skip,cancelOldest"`
}

// RateSpec is a number of runs in a time.
type RateSpec struct {
	// Limit is the number of runs.
	Limit int `json:"limit" min:"1" max:"1000000"`
	// Per is the time.
	Per Duration `json:"per"`
	// Key gives each of its values a limit of its own (template over input).
	Key string `json:"key,omitempty"`
}

// DebounceSpec starts one run, with the latest input, for many triggers.
type DebounceSpec struct {
	// Period is how long triggers must have been quiet.
	Period Duration `json:"period"`
	// MaxWait bounds the wait since the first trigger.
	MaxWait Duration `json:"maxWait,omitempty"`
	// Key gives each of its values a timer of its own (template over input).
	Key string `json:"key,omitempty"`
}

// DefaultsSpec holds what steps inherit.
type DefaultsSpec struct {
	// Retry is the retry policy of steps with an outside effect.
	Retry *RetrySpec `json:"retry,omitempty"`
	// Timeout bounds each attempt of such a step.
	Timeout Duration `json:"timeout,omitempty"`
}

// RetrySpec says when and how often a failed attempt is made again. A step
// without one, its own or by default, is tried once.
type RetrySpec struct {
	// MaxAttempts counts the first attempt too. Default 5.
	MaxAttempts int `json:"maxAttempts,omitempty" min:"1" max:"100"`
	// InitialInterval is the wait before the second attempt. Default 1s.
	InitialInterval Duration `json:"initialInterval,omitempty"`
	// Multiplier makes each wait longer than the one before. Default 2.
	Multiplier float64 `json:"multiplier,omitempty" min:"1" max:"100"`
	// MaxInterval bounds a single wait, the far side's Retry-After included.
	// Default 1m.
	MaxInterval Duration `json:"maxInterval,omitempty"`
	// Jitter is full (the default: a random wait from 0 to the interval),
	// equal (half fixed, half random) or none.
	Jitter string `json:"jitter,omitempty" enum:"full,equal,none"`
	// RetryOn lists what is retried: status codes (429), classes (5xx),
	// timeout, network, any. Default: 408, 425, 429, 5xx, timeout, network;
	// for a function: any.
	RetryOn []any `json:"retryOn,omitempty"`
	// MaxElapsed stops retrying when this time since the first attempt has
	// passed.
	MaxElapsed Duration `json:"maxElapsed,omitempty"`
}

// StepSpec is one step. It has exactly one kind key: request, function, set,
// switch, forEach, parallel, delay, waitFor, respond, emit, call or fail.
type StepSpec struct {
	// ID names the step and its result, steps.<id>. It is unique in the
	// workflow: a letter, then letters, digits and underscores.
	ID string `json:"id"`
	// Description says what the step is for.
	Description string `json:"description,omitempty"`
	// If is an expression; the step is skipped unless it is true.
	If string `json:"if,omitempty"`
	// Timeout bounds each attempt. Default 30s for a request, 1s for a
	// function.
	Timeout Duration `json:"timeout,omitempty"`
	// Retry says what happens when an attempt fails.
	Retry *RetrySpec `json:"retry,omitempty"`
	// OnError is fail (the default: the run fails) or continue (the step's
	// result is {error: …} and the run goes on).
	OnError string `json:"onError,omitempty" enum:"fail,continue"`

	// Request calls an HTTP API.
	Request *RequestStep `json:"request,omitempty"`
	// Function computes a value in JavaScript.
	Function *FunctionStep `json:"function,omitempty"`
	// Set computes named values.
	Set map[string]any `json:"set,omitempty"`
	// Switch takes the first branch whose condition is true.
	Switch []SwitchBranch `json:"switch,omitempty"`
	// ForEach runs the sibling steps for each item of a list.
	ForEach *ForEachStep `json:"forEach,omitempty"`
	// Steps are the body of forEach.
	Steps []StepSpec `json:"steps,omitempty"`
	// Parallel runs branches at the same time.
	Parallel *ParallelStep `json:"parallel,omitempty"`
	// Delay waits for a time.
	Delay *DelayStep `json:"delay,omitempty"`
	// WaitFor waits for an event.
	WaitFor *WaitForStep `json:"waitFor,omitempty"`
	// Respond answers the caller and sets the run's output; the run goes on.
	Respond *RespondStep `json:"respond,omitempty"`
	// Emit sends an event.
	Emit *EmitStep `json:"emit,omitempty"`
	// Call runs another workflow.
	Call *CallStep `json:"call,omitempty"`
	// Fail ends the run as failed.
	Fail *FailStep `json:"fail,omitempty"`
}

// RequestStep calls an HTTP API. Its result is {status, headers, body}.
type RequestStep struct {
	// Method is the HTTP method. Default GET.
	Method string `json:"method,omitempty"`
	// URL is the absolute URL (template); or name an Integration and a Path.
	URL string `json:"url,omitempty"`
	// Integration names the API whose base URL and credential are used.
	Integration string `json:"integration,omitempty"`
	// Path is appended to the integration's base URL (template). It can't climb
	// above that.
	Path string `json:"path,omitempty"`
	// Account chooses among the credentials that a user has for the integration
	// (template). Default: the user's default one.
	Account string `json:"account,omitempty"`
	// Query adds parameters to the URL; a list adds one a value.
	Query map[string]any `json:"query,omitempty"`
	// Headers are sent; values are templates.
	Headers map[string]string `json:"headers,omitempty"`
	// Auth adds an Authorization header.
	Auth *RequestAuth `json:"auth,omitempty"`
	// Body is sent as JSON.
	Body any `json:"body,omitempty"`
	// Form is sent as application/x-www-form-urlencoded.
	Form map[string]any `json:"form,omitempty"`
	// Multipart is sent as multipart/form-data.
	Multipart []MultipartField `json:"multipart,omitempty"`
	// Raw is sent as it is (template); set Content-Type in headers.
	Raw any `json:"raw,omitempty"`
	// Response says how the body is read: auto (the default: JSON when the
	// content type says so, else text), json, text, bytes (base64) or none.
	Response string `json:"response,omitempty" enum:"auto,json,text,bytes,none"`
	// Accept lists the statuses of 400 or more that do not fail the step:
	// codes (404) and classes (4xx).
	Accept []any `json:"accept,omitempty"`
	// FollowRedirects bounds the redirects followed. Default 10; 0 returns the
	// redirect itself.
	FollowRedirects *int `json:"followRedirects,omitempty" min:"0" max:"50"`
	// Pagination follows pages and collects their items.
	Pagination *PaginationSpec `json:"pagination,omitempty"`
}

// RequestAuth has exactly one field.
type RequestAuth struct {
	// Basic is HTTP basic authentication.
	Basic *BasicAuth `json:"basic,omitempty"`
	// Bearer is a bearer token.
	Bearer *BearerAuth `json:"bearer,omitempty"`
	// OAuth2 is the client-credentials grant (RFC 6749 section 4.4).
	OAuth2 *OAuth2Auth `json:"oauth2,omitempty"`
}

// OAuth2Auth fetches a token by the client-credentials grant.
type OAuth2Auth struct {
	// TokenURL is the token endpoint (template).
	TokenURL string `json:"tokenUrl"`
	// ClientID and ClientSecret identify the client (templates).
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	// Scopes are asked for.
	Scopes []string `json:"scopes,omitempty"`
}

// MultipartField is one part of a multipart body.
type MultipartField struct {
	// Name is the field's name.
	Name string `json:"name"`
	// Value is the content (template).
	Value any `json:"value,omitempty"`
	// Filename makes the part a file (template).
	Filename string `json:"filename,omitempty"`
	// ContentType is the part's media type.
	ContentType string `json:"contentType,omitempty"`
	// Base64 says that Value is base64 of the content.
	Base64 bool `json:"base64,omitempty"`
}

// PaginationSpec follows the pages of a list. The step's result is
// {status, headers, body: {items, pages}}. In its expressions, response is the
// page's {status, headers, body} and page its number, from 1.
type PaginationSpec struct {
	// Items is the list in a page (expression). A request to an integration may
	// leave it out, where that says it for all its lists.
	Items string `json:"items,omitempty"`
	// NextPage gives the next page's URL, or a map of query parameters to
	// change; null ends. The word link follows the Link header (RFC 8288). A
	// request to an integration may leave it out, as it may leave out items.
	NextPage any `json:"nextPage,omitempty"`
	// Until ends after the page for which it is true (expression).
	Until string `json:"until,omitempty"`
	// MaxPages bounds the pages. Default 100.
	MaxPages int `json:"maxPages,omitempty" min:"1" max:"10000"`
	// OnError is fail (the default) or partial: what was read so far is the
	// result, with the error beside it.
	OnError string `json:"onError,omitempty" enum:"fail,partial"`
}

// FunctionStep computes a value in JavaScript.
type FunctionStep struct {
	// Source is the body of a function of input, steps and settings; what it
	// returns is the result.
	Source string `json:"source"`
	// Memory bounds the memory of the call in MiB. Default 32, at most 256.
	Memory int `json:"memory,omitempty" min:"1" max:"256"`
}

// SwitchBranch is one branch of a switch.
type SwitchBranch struct {
	// If is the condition (expression).
	If string `json:"if,omitempty"`
	// Else marks the last branch, taken when no other is.
	Else bool `json:"else,omitempty"`
	// Steps run when the branch is taken.
	Steps []StepSpec `json:"steps"`
}

// ForEachStep runs steps for each item of a list.
type ForEachStep struct {
	// Items is the list (expression).
	Items any `json:"items"`
	// As names the item in the body's expressions; <as>_index is its index.
	// Default item.
	As string `json:"as,omitempty"`
	// Parallelism is how many items run at once. Default 1.
	Parallelism int `json:"parallelism,omitempty" min:"1" max:"1000"`
	// OnError is fail (the default: the first failure fails the step) or
	// collect (a failed item's result is {error: …}).
	OnError string `json:"onError,omitempty" enum:"fail,collect"`
}

// ParallelStep runs branches at the same time.
type ParallelStep struct {
	// Branches are the branches, by name.
	Branches map[string]ParallelBranch `json:"branches"`
	// Parallelism is how many branches run at once; they begin in the order of
	// their names. Default all.
	Parallelism int `json:"parallelism,omitempty" min:"1" max:"1000"`
	// OnError is fail (the default: the first failure fails the step) or
	// collect (a failed branch's result is {error: …}).
	OnError string `json:"onError,omitempty" enum:"fail,collect"`
}

// ParallelBranch is one branch of a parallel step.
type ParallelBranch struct {
	// Steps run in order.
	Steps []StepSpec `json:"steps"`
}

// DelayStep waits. It has exactly one of For and Until.
type DelayStep struct {
	// For is a duration (template).
	For string `json:"for,omitempty"`
	// Until is a time: RFC 3339 text or a date (template).
	Until string `json:"until,omitempty"`
}

// WaitForStep waits for an event. Its result is the event.
type WaitForStep struct {
	// Event is the event's name (template).
	Event string `json:"event"`
	// If is an expression over event (and the run) that must be true.
	If string `json:"if,omitempty"`
	// Timeout bounds the wait; when it passes the step fails with timeout.
	// Default 24h.
	Timeout Duration `json:"timeout,omitempty"`
}

// RespondStep answers the caller that waits, and sets the run's output.
type RespondStep struct {
	// Status is the HTTP status of a webhook's answer. Default 200.
	Status any `json:"status,omitempty"`
	// Headers are added to a webhook's answer.
	Headers map[string]string `json:"headers,omitempty"`
	// Body is the answer's body and the run's output.
	Body any `json:"body,omitempty"`
}

// EmitStep sends an event.
type EmitStep struct {
	// Event is the event's name (template).
	Event string `json:"event"`
	// Data is the event's data.
	Data any `json:"data,omitempty"`
	// ID makes the event idempotent: a second one with the same id is dropped
	// (template). By default it is made from the run and the step.
	ID string `json:"id,omitempty"`
}

// CallStep runs another workflow of the project.
type CallStep struct {
	// Workflow is its name.
	Workflow string `json:"workflow"`
	// Input is its input.
	Input any `json:"input,omitempty"`
	// Wait says whether the step waits for the run's end and has its output as
	// result (the default), or only starts it and has {id}.
	Wait *bool `json:"wait,omitempty"`
}

// FailStep ends the run as failed.
type FailStep struct {
	// Message says why (template).
	Message string `json:"message"`
	// Type is the error's type. Default fail.
	Type string `json:"type,omitempty"`
}
