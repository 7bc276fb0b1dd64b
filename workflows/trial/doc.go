// Package trial runs WorkflowTest documents: the machine of workflows/interpret
// and the performers of workflows/steps, which workers use, over mocked answers
// and in a time of its own that jumps from one thing that happens to the next.
//
// A case is one world: a run, the runs that it calls, the requests that they
// send, the events that come. Nothing of it is shared, so that cases can be run
// at the same time, and nothing depends on the machine but the functions, which
// are executed for real.
package trial
