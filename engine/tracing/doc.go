// Package tracing is the room for OpenTelemetry: the spans of requests, runs,
// segments, attempts and outgoing requests, sampled where a trace begins and
// sent to a collector by OTLP over HTTP.
//
// A nil *Tracer and a zero Span record nothing and cost a comparison: tracing
// that is off is not on the way of a run. Spans hold names and ids, never a
// payload, a path or a query that a secret could be in.
package tracing
