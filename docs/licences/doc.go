// Command licences writes docs/licences.md: the modules that are linked into
// the programs, and under which licence each may be passed on. It fails for a
// module without a licence that it knows, so that none comes in unseen. Run it
// with go generate; make check fails when it was forgotten.
package main

//go:generate go run . ../licences.md
