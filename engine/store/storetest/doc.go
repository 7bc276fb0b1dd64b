// Package storetest is the conformance suite of the store: what every
// implementation must do, told by one set of tests that all of them pass.
package storetest
