// Package record is the compact form in which step records and ended runs
// travel through Redis: checkpoints and log rows. A run is written and read
// many times on its way, and JSON would cost more than all else together.
//
// It knows the form only; what is written when, engine/execution decides.
package record
