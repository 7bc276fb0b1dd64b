package schema

import (
	"strings"
	"time"
)

// ProxyCall is the record of one call to an integration through the proxy.
type ProxyCall struct {
	// ID is "p" and a ULID in lower case: ids sort by when calls began.
	ID          string `json:"id"`
	Project     string `json:"project"`
	Integration string `json:"integration"`
	// User and Account say whose credential it was; without a user it was the
	// project's shared one.
	User    string `json:"user,omitempty"`
	Account string `json:"account,omitempty"`
	// Actor is who asked for it.
	Actor  string `json:"actor,omitempty"`
	Method string `json:"method"`
	// Path is below the integration's base URL, as it was sent, without the
	// query: that may hold secrets.
	Path string `json:"path"`
	// Status is what the caller was answered with; 0 when the caller had gone.
	Status int `json:"status"`
	// ErrorType and Error say why there was no answer of the far side's, or why
	// it broke off; empty otherwise.
	ErrorType string `json:"errorType,omitempty"`
	Error     string `json:"error,omitempty"`
	// Sent and Received are the bytes of the bodies.
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
	// Attempts is how often it was sent; 0 when it was refused before.
	Attempts  int       `json:"attempts"`
	StartedAt time.Time `json:"startedAt"`
	// DurationMs is from its start to the end of the answer.
	DurationMs float64 `json:"durationMs"`
	TraceID    string  `json:"traceId,omitempty"`
	// Job is the id of the job that it was made by; empty for one that was
	// answered at once.
	Job string `json:"job,omitempty"`
}

// The error types of a ProxyCall.
const (
	ProxyErrorTimeout  = "timeout"  // no answer in time
	ProxyErrorNetwork  = "network"  // no connection, or it broke
	ProxyErrorBlocked  = "blocked"  // an address that may not be reached
	ProxyErrorLimited  = "limited"  // refused by a rate limit
	ProxyErrorOpen     = "open"     // refused by the circuit breaker
	ProxyErrorCanceled = "canceled" // the caller went away
	ProxyErrorTooLarge = "tooLarge" // a body over the limit
	ProxyErrorRefused  = "refused"  // anything else that Paragon refused
)

// ProxyCallPrefix begins the ids of proxy calls.
const ProxyCallPrefix = "p"

// ProxyCallIDBound is RunIDBound for the ids of proxy calls.
func ProxyCallIDBound(t time.Time) string { return ProxyCallPrefix + RunIDBound(t)[1:] }

// ProxyCallIDTime is RunIDTime for the ids of proxy calls.
func ProxyCallIDTime(id string) (t time.Time, ok bool) {
	rest, ok := strings.CutPrefix(id, ProxyCallPrefix)
	if !ok {
		return time.Time{}, false
	}
	return RunIDTime("r" + rest)
}
