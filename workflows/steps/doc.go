// Package steps performs the steps that reach outside a run: one file a kind,
// behind one small interface.
//
// It knows neither Redis nor the queue. When to perform a step, and what to do
// with its outcome, is decided by the interpreter and done by the engine.
package steps
