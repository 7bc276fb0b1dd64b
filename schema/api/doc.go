// Package api is the contract of the HTTP API: its request and response types,
// and the typed client that paragonctl and the dashboard speak it with.
//
// It has no server code; engine/httpapi serves these types.
package api
