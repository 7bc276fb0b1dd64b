//go:build race

package function

// raced says that the worker processes run with the race detector: some twenty
// times slower, and with nothing to detect in a single thread.
const raced = true
