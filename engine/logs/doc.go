// Package logs moves the history of runs from Redis to the store: the streams
// of a lane's log and the form of their rows, and the flusher that writes them
// to SQL in batches, each row exactly once.
//
// What goes into the log, and when, is decided by engine/execution; calls of
// the proxy are put there by engine/connect/proxy.
package logs
