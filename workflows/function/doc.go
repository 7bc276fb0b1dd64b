// Package function is the sandbox in which the JavaScript of function steps
// runs: without network, files or a clock, within a time and a memory.
//
// The engine is QuickJS. It runs in worker processes, which are this same
// binary started again: native loops of the engine can't be interrupted, and a
// process can always be killed. docs/decisions/0020 has the measurements.
//
// A call gets an engine of its own, made before it is needed and thrown away
// after, so that nothing leaks from one call to the next. Importing the package
// lets a binary be such a worker process; see worker.go.
package function
