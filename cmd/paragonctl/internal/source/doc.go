// Package source reads the documents that -f names, checks them offline and
// fetches the values of their secrets, so that apply, validate and diff see
// the same set.
package source
