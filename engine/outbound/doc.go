// Package outbound is the one way out to other servers: a connection pool that
// refuses private addresses at the moment of dialing, after DNS and again on
// every redirect. What is sent over it is workflows/exchange's.
package outbound
