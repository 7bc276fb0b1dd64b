// Package schema holds the words every other package speaks: the resource
// envelope and its kinds, run and step records, the problem type, and the
// embedded SQL migrations and JSON Schemas.
//
// It has types and their text forms only: no behaviour, no I/O.
package schema
