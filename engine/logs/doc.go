// Package logs moves the history of runs from Redis to the store: the form of
// a row in a lane's log stream, and the flusher that writes streams to SQL in
// batches, each row exactly once.
//
// What goes into the log, and when, is decided by engine/execution.
package logs
