// Package seal is envelope encryption: a data key per project, itself sealed
// under a master key, seals the values that must not be read from a database,
// a backup or Redis, each bound to its place as associated data.
//
// It also knows how to keep plaintexts out of logs (Redactor). It does no I/O
// but for reading the master key.
package seal
