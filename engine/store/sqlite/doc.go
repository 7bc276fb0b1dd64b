// Package sqlite keeps the store in one SQLite file, for `paragond dev`: pure
// Go, nothing to install.
//
// One connection writes and several read (write-ahead log). A write that was
// acknowledged is on the disk: it survives the death of the process and of
// the machine.
package sqlite
