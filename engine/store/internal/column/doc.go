// Package column makes the values of columns that both databases keep in the
// same way: text that any database takes, digests of keys, times as
// microseconds, JSON of records. It has no SQL.
package column
