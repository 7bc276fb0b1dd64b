// Package schedule fires cron triggers: one elected leader among the
// schedulers, with a written rule for missed times, overlaps and the hours
// that summer time skips or repeats.
//
// It knows when a run is due; what a run is, it leaves to engine/execution.
package schedule
