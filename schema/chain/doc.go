// Package chain is the hash chain of the audit log: each record carries a hash
// over itself and over the hash of the record before it, so that a record that
// was changed, taken out or put in between shows. The store makes the hashes in
// the transaction that writes the record; anybody who can read the log checks
// them, with nothing but what the log says.
package chain
