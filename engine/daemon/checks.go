package daemon

import (
	"context"
	"errors"

	"paragon/engine/httpapi"
)

// checks are what /readyz asks. Without Postgres a process stays ready: runs
// are triggered and executed, and their logs wait.
func (d *Daemon) checks() []httpapi.Check {
	checks := []httpapi.Check{
		{Name: "redis", Required: true, Check: func(ctx context.Context) error { return d.opts.Redis.Ping(ctx).Err() }},
		{Name: "configuration", Required: true, Check: func(context.Context) error { return d.cache.Ready() }},
	}
	if d.opts.Store != nil {
		checks = append(checks, httpapi.Check{Name: "store", Check: d.opts.Store.Ping})
	}
	if d.opts.Payloads != nil {
		checks = append(checks, httpapi.Check{Name: "payloads", Check: d.opts.Payloads.Ping})
	}
	if d.flusher != nil {
		checks = append(checks, httpapi.Check{Name: "log", Check: func(context.Context) error {
			if d.flusher.Delayed() {
				return errors.New("the log can't be written to the store; it waits in Redis")
			}
			return nil
		}})
	}
	return checks
}
