// Package store keeps what must never be lost: configuration with its
// revisions and audit, durably accepted runs, and the history of runs and
// steps. One interface, two implementations (postgres and sqlite below), and
// one conformance suite (storetest) that both pass.
//
// It has no business rules: who may do what is decided above it.
package store
