// Package payload keeps the values of runs that are too large for Redis and
// SQL: their inputs, outputs and the results of their steps, in object storage.
// What Redis and SQL hold in their place is a reference.
//
// It knows nothing of runs but their id, which says on which day a value is
// kept: a reference is always to the day of the run that has it, so that the
// values of a day go when its runs do, and none is shared across days.
package payload
