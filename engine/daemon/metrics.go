package daemon

import (
	"context"
	"net/http"

	"paragon/engine/logs"
	"paragon/engine/metrics"
)

// metrics serves what this process can tell: each tells of itself, those with
// the roles api or scheduler also of queues and workers, those with the role
// scheduler of destinations, those with the role flusher of the log, and those
// with the role worker of the runs that they executed.
func (d *Daemon) metrics() http.Handler {
	o := metrics.Options{Version: d.opts.Version, Totals: d.stats.Totals}
	if d.service != nil {
		o.Queues, o.Workers = d.service.Queues, d.service.Workers
	}
	if d.flusher != nil {
		o.Log = func(ctx context.Context) ([]logs.Size, error) { return logs.Sizes(ctx, d.opts.Redis, d.opts.Lanes) }
	}
	if d.sender != nil {
		o.Destinations, o.Attempts = d.sender.Standings, d.sender.Attempts
	}
	if d.opts.Payloads != nil {
		o.Storage = d.opts.Payloads.Usage
	}
	return metrics.Handler(o)
}
