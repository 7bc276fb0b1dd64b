// Package daemon makes a process out of the rooms: it opens the store and
// Redis, starts what the roles need, and stops it again in the one order in
// which nothing is lost. `paragond serve` and `paragond dev` differ only in
// the store and the Redis that they hand to it.
//
// It decides order and wiring, nothing else.
package daemon
