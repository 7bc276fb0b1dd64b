// Package stats is the room for live numbers: what workers count a second,
// added up in Redis, as the dashboard, the statistics routes and /metrics show
// it.
//
// Nothing stands here yet.
package stats
