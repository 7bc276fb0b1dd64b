// Package manifest holds the commands about documents in files: init, validate,
// fmt, diff, apply, explain and schema.
package manifest
