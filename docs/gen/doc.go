// Command gen writes the tables of docs/language.md and docs/testing.md: the fields of each kind of
// document, from the JSON Schemas that package schema publishes, and the
// functions of the expression language, from package workflows; that of
// docs/metrics.md, from package engine/metrics; and those of docs/limits.md, from
// the constants in the sources. What stands
// between the marks is generated, what stands around them is written by hand.
// Run it with go generate; a test fails when it was forgotten.
package main

// The schemas are compiled into this program, so they come first.
//go:generate go generate ../../schema
//go:generate go run . ..
