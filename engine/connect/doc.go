// Package connect is the room for what acts in the accounts of a product's
// customers: which credential a call to an integration uses, and where it may
// be sent.
//
// A Caller (a user of the project, or the project itself) and an integration
// give a Target, which puts the credential on a request and refuses every other
// host. Configuration is read from memory, so that no call needs the store.
package connect
