// Package tracingtest is a collector for tests: it takes OTLP, protobuf over
// HTTP, in this process, and keeps the spans.
package tracingtest
