package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/httpapi"
	"paragon/engine/queue"
)

// checks are what /readyz asks, by the roles of the process. Without Postgres a
// process stays ready: runs are triggered and executed, and their logs wait.
func (d *Daemon) checks() []httpapi.Check {
	checks := []httpapi.Check{
		{Name: "redis", Required: true, Check: d.writable},
		{Name: "configuration", Required: true, Check: func(context.Context) error { return d.cache.Ready() }},
	}
	shown := func(name string, check func(context.Context) error) {
		checks = append(checks, httpapi.Check{Name: name, Check: check})
	}
	if d.opts.Store != nil {
		shown("store", func(ctx context.Context) error {
			if err := d.opts.Store.Ping(ctx); err != nil {
				return fmt.Errorf("the SQL store does not answer; runs go on, and their history waits in Redis: %w", err)
			}
			return nil
		})
	}
	if d.opts.Payloads != nil {
		shown("payloads", d.opts.Payloads.Ping)
	}
	if d.worker != nil {
		shown("worker", func(context.Context) error { return d.worker.Beating() })
	}
	if d.cron != nil {
		shown("scheduler", func(context.Context) error { return d.cron.Firing() })
	}
	if d.flusher != nil {
		shown("log", func(context.Context) error {
			if d.flusher.Delayed() {
				return errors.New("the log can't be written to the store; it waits in Redis")
			}
			return nil
		})
	}
	return checks
}

// probeLife is how long the keys live that are written to see whether Redis
// takes writes.
const probeLife = time.Minute

// writable tells why Redis takes no writes. A primary of a cluster that is away
// is not the end of the others: one lane that can be written to is enough.
func (d *Daemon) writable(ctx context.Context) error {
	var written []*redis.StatusCmd
	_, err := d.opts.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for lane := range d.opts.Lanes {
			written = append(written, pipe.Set(ctx, queue.Key(lane, "probe"), 1, probeLife))
		}
		return nil
	})
	for _, w := range written {
		// Where the connection was not let in a command has no error of its own.
		if w.Val() == "OK" {
			return nil
		}
	}
	return refusedWrite(err)
}

const adviceLogin = "Redis does not let this process in: put its user and password into --redis"

// refusedWrite says of an error of Redis what to do about it.
func refusedWrite(err error) error {
	for _, r := range []struct{ prefix, advice string }{
		{"READONLY", "Redis is a replica and takes no writes: point --redis to the primary, or to the Sentinels"},
		{"LOADING", "Redis is still reading its data after a start: wait"},
		{"OOM", "Redis has no memory left for what is written: raise its maxmemory"},
		{"MISCONF", "Redis can't write to its disk: see whether that is full"},
		{"NOREPLICAS", "Redis wants more replicas (min-replicas-to-write) than it has: start them"},
		{"NOAUTH", adviceLogin},
		{"WRONGPASS", adviceLogin},
		{"NOPERM", "the user of --redis may not write: let it run all commands on the keys paragon:* and asynq:*"},
	} {
		// Of a connection that is not let in the word is within another error.
		if err != nil && strings.Contains(err.Error(), r.prefix+" ") {
			return fmt.Errorf("%s (%w)", r.advice, err)
		}
	}
	return fmt.Errorf("no answer from Redis: %w", err)
}
