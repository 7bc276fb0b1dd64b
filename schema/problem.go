package schema

import "net/http"

// ProblemContentType is the media type of a Problem (RFC 9457 section 3).
const ProblemContentType = "application/problem+json"

// ProblemType is the stable, machine-readable name of a kind of failure. As a
// URI reference (RFC 9457 section 3.1.1) it is relative to the server.
type ProblemType string

// The types of problem that the API answers with.
const (
	ProblemInvalid         ProblemType = "/problems/invalid"           // 400, 422: the input breaks a rule; see Errors
	ProblemUnauthenticated ProblemType = "/problems/unauthenticated"   // 401: no key, or one that is unknown or expired
	ProblemForbidden       ProblemType = "/problems/forbidden"         // 403: the role does not allow it
	ProblemNotFound        ProblemType = "/problems/not-found"         // 404
	ProblemMethod          ProblemType = "/problems/method"            // 405
	ProblemConflict        ProblemType = "/problems/conflict"          // 409: the state does not allow it
	ProblemPrecondition    ProblemType = "/problems/precondition"      // 412: If-Match named another revision
	ProblemTooLarge        ProblemType = "/problems/too-large"         // 413
	ProblemSignature       ProblemType = "/problems/invalid-signature" // 401: a webhook's signature is missing or wrong
	ProblemRateLimited     ProblemType = "/problems/rate-limited"      // 429, with Retry-After
	ProblemUnavailable     ProblemType = "/problems/unavailable"       // 503, with Retry-After
	ProblemInternal        ProblemType = "/problems/internal"          // 500: a fault of ours; the operator's log has the rest
	ProblemTimeout         ProblemType = "/problems/timeout"           // 504
	ProblemCredential      ProblemType = "/problems/credential"        // 409: there is no credential that works for an integration; connect it
	ProblemFarSide         ProblemType = "/problems/far-side"          // 502: an integration could not be reached, or its answer not be passed on
)

// Problem is the one form in which a request fails (RFC 9457).
type Problem struct {
	Type   ProblemType `json:"type"`
	Title  string      `json:"title"`
	Status int         `json:"status"`
	// Detail says what went wrong and what to do, for a person.
	Detail string `json:"detail,omitempty"`
	// Instance is the path of the request.
	Instance string `json:"instance,omitempty"`
	// TraceID is the W3C trace id of the request.
	TraceID string `json:"traceId,omitempty"`
	// Errors lists what is wrong with the input, one entry a place.
	Errors []Diagnostic `json:"errors,omitempty"`
	// RetryAfter is the wait in whole seconds that the Retry-After header of
	// the response asked for. It travels in the header, not in the body.
	RetryAfter int `json:"-"`
}

// Error is the problem's detail, or its title.
func (p *Problem) Error() string {
	if p.Detail != "" {
		return p.Detail
	}
	if p.Title != "" {
		return p.Title
	}
	return http.StatusText(p.Status)
}

// Severity tells an error from a remark.
type Severity string

// The severities of a Diagnostic.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Diagnostic is one finding about an input, with its place.
type Diagnostic struct {
	Severity Severity `json:"severity,omitempty"`
	// Code is a stable name of the rule ("unknown-field").
	Code string `json:"code,omitempty"`
	// Message says what is wrong.
	Message string `json:"message"`
	// Suggestion says what to write instead ("did you mean …?").
	Suggestion string `json:"suggestion,omitempty"`
	// Resource names the document ("workflow/lead-sync"), when it is known.
	Resource string `json:"resource,omitempty"`
	// Field is the path inside the document ("spec.steps[2].request.url").
	Field string `json:"field,omitempty"`
	// File, Line and Column point into the source. Line and Column start at 1;
	// 0 means unknown. Column counts characters, not bytes.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Source is the text of the line, for a caret under it.
	Source string `json:"source,omitempty"`
}
