// Command docgen writes docs/cli (a Markdown page a command) and docs/man (a
// manual page a command) from the commands themselves. It walks the tree of
// commands, so that a new one needs nothing here; pages of commands that are gone
// are removed. It also fills the tables of docs/configure.md that are of
// paragonctl. Run it with go generate; a test fails when it was forgotten.
package main

//go:generate go run . ../../../docs
