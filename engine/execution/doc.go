// Package execution is a run's life around the brain: it accepts runs, loads
// them, performs what the interpreter says, checkpoints, parks, resumes and
// finishes them, and takes over what dead workers held.
//
// What comes next in a run is decided in workflows/interpret, never here.
package execution
