// Package cli puts the commands of paragonctl together under one root, runs
// one, and turns its error into a message and an exit code.
package cli
