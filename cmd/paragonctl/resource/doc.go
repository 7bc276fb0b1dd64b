// Package resource holds the commands about stored resources, whatever their
// kind: get, describe, delete, history, rollback and export.
package resource
