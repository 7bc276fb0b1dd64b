// Package stats is the room for live numbers: each worker counts what its runs
// do, in memory, and adds it up in Redis once a second. What it wrote there is
// read back as points of a second or a minute, as the statistics routes, the
// dashboard and `paragonctl top` show them; /metrics has the same counts of its
// own process since it began.
//
// In Redis each project has two streams: one entry a process and second, kept
// for an hour, and one entry a minute, made of those, kept for a week.
package stats
