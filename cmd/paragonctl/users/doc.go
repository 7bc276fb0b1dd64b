// Package users holds the commands about a product's own users: who they are,
// the keys that their tokens are signed with, and their credentials.
package users
