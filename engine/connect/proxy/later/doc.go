// Package later makes calls to integrations for callers that don't wait
// (Prefer: respond-async, RFC 7240): each is a run of a workflow of Paragon's own, so
// that whatever holds for runs holds for calls: what was accepted is not lost, a
// worker that dies is replaced, and the history has the answer.
//
// The workflow has two steps: the call, which goes through the proxy with its
// limits, breaker and log, and the callback, signed, if one is asked for.
package later
