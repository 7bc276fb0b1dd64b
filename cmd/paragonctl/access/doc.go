// Package access holds the commands about who may do what, and with which
// secrets: secret, key, auth and context.
package access
