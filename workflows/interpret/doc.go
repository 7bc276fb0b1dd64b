// Package interpret is the brain of a run: from a compiled workflow and the
// results so far it decides what happens next. Workers drive it, and so can
// whatever must decide as they do.
//
// It is deterministic and pure: no I/O, no clock (the time is an argument), no
// goroutines. Fed the same records it always decides the same, so that a run
// can be stopped after any checkpoint and be resumed anywhere.
package interpret
