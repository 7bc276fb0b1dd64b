// Package batch is group commit: calls that are made while a round trip is
// under way are gathered, and share the next one.
//
// Nothing waits to be gathered: a call that finds no round trip under way
// starts one at once. It knows nothing of what is called.
package batch
