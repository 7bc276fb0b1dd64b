// Package users is about a product's own users: who they are, how they prove
// it, and the credentials that they brought.
//
// The store has all of it. Service changes it, and brings each change to Redis.
// Book is what everybody reads, workers too: memory, then Redis, never the
// store. A token that a worker renews goes the other way: to Redis at once, in
// one place for all processes, and from there to the store.
package users
