// Package queue is the way into Redis for everything that waits to be run,
// and the only package (with baseline, which measures it) that imports asynq.
// It carries bundles of run ids over lanes and priorities, starts them within
// a millisecond without polling, fires timers to the millisecond, and shows
// what waits. What an id means, who may run it and how often is not its
// business: it delivers every id at least once, and callers fence.
package queue
