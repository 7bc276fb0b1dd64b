// Package httpapi serves the HTTP API: routes, authentication, limits, problem
// details (RFC 9457), trace context and the OpenAPI document.
//
// One table of routes decides who may call what, and is what the OpenAPI
// document is made from. There are no business rules here: those are in
// engine/config and engine/execution.
package httpapi
