// Package exchange is one HTTP request and its answer, over a transport that it
// is given: bounded in time and size, with redirects that carry no credential to
// another host, failures typed by their kind, and records without secrets.
//
// Workers give it a guarded connection pool (engine/outbound), `paragonctl test`
// the answers of a test and a clock of its own. So both send the same.
//
// It does not retry: when to try again is the caller's policy. It gives what
// that needs, the kind of a failure and the far side's Retry-After.
package exchange
