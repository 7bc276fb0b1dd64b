// Package metrics serves GET /metrics to Prometheus: what waits in the queues
// and for how long, the workers, runs by workflow, the log that waits for SQL,
// the build and the process.
//
// Everything is read when Prometheus asks; runs are counted by engine/stats. The names are one list, List, that docs/metrics.md is made of.
package metrics
