package proxy

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"paragon/engine/connect"
)

// Caller says for whom a call is made, and to what.
type Caller = connect.Caller

// Targets finds out where a call goes. Errors that the caller can act on are
// *schema.Problem.
type Targets interface {
	// Target is where a caller's calls go now.
	Target(ctx context.Context, who Caller) (*Target, error)
	// Refused is told that the far side answered 401 to a call with the target's
	// credential. It returns a target with a fresh credential, or nil when there
	// is no other.
	Refused(ctx context.Context, t *Target) (*Target, error)
}

// Target is an integration with a credential for it. It is immutable.
type Target struct {
	// Base is the integration's base URL; what is called is below it.
	Base *url.URL
	// Credential names the credential within its project and integration: calls
	// with the same one share limits and the circuit breaker.
	Credential string
	// Authorize puts the credential on a request, and refuses one that goes to
	// another origin than Base's.
	Authorize func(*http.Request) error
	// Timeout bounds the time to the answer's header, all attempts included, and
	// then each wait for more of the body. 0 takes DefaultTimeout.
	Timeout time.Duration
	// Limit bounds the calls with one credential.
	Limit Limit
	// Attempts is how often a call of an idempotent method is tried in all,
	// RetryOn after which statuses. 0 and nil take the defaults.
	Attempts int
	RetryOn  func(status int) bool

	// Hide blanks the credential out of a text that is kept; nil for nothing.
	Hide func(text string) string

	found *connect.Target
}

// What holds of a Target that does not say.
const (
	DefaultTimeout  = 30 * time.Second
	DefaultAttempts = 3
)

// retryOn tells whether a status says that the same request may succeed later:
// too many requests, and a server or gateway that could not reach what is behind
// it.
func retryOn(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// Limit is how many calls a credential may make in a time.
type Limit struct {
	// Calls in Per; 0 is no limit of ours. What the far side's headers say
	// counts in any case.
	Calls int
	Per   time.Duration
	// RemainingHeader and ResetHeader name the headers in which the far side says
	// how much of its own limit is left; empty: the usual names.
	RemainingHeader, ResetHeader string
}

// Call is one call to an integration.
type Call struct {
	Caller
	// Actor is who asked: the name of a key, or of a user.
	Actor string
	// Path is what follows the proxy's own path, as it was sent: escaped, empty
	// or with a slash at its beginning.
	Path string
	// TraceParent goes to the far side, TraceID into the record.
	TraceParent, TraceID string

	// job is the id of the job that makes the call; empty for none.
	job string
}
