// Package outbound is the one HTTP client for everything that leaves.
//
// It bounds each exchange in time and size, refuses private addresses at the
// moment of dialing (after DNS, again on every redirect), forwards no credential
// to another host, and says in a typed error what kind of failure happened.
//
// It does not retry: when to try again is the caller's policy. It gives what
// that needs, the kind of a failure and the far side's Retry-After.
package outbound
