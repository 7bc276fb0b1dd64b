package metrics

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"paragon/engine/logs"
	"paragon/engine/stats"
	"paragon/schema/api"
)

// reading gathers the metrics of one look at the sources.
type reading struct {
	c   *collector
	out []prometheus.Metric
}

func (r *reading) gauge(m Metric, v float64, labels ...string) {
	r.out = append(r.out, prometheus.MustNewConstMetric(r.c.descs[m.Name], prometheus.GaugeValue, v, labels...))
}

func (r *reading) counter(m Metric, n int64, labels ...string) {
	r.out = append(r.out, prometheus.MustNewConstMetric(r.c.descs[m.Name], prometheus.CounterValue, float64(n), labels...))
}

// bounds are the upper ends of the buckets of histograms: powers of two of
// microseconds, where the buckets of engine/stats end, too. From 2 ms to 4 s
// each is twice the one before, then four times, up to 72 minutes.
var bounds = func() (all []time.Duration) {
	for d := 2048 * time.Microsecond; d < 72*time.Minute; {
		all = append(all, d)
		if d < 4*time.Second {
			d *= 2
		} else {
			d *= 4
		}
	}
	return all
}()

func (r *reading) histogram(m Metric, h stats.Histogram, sumUs int64, labels ...string) {
	buckets := make(map[float64]uint64, len(bounds))
	for _, d := range bounds {
		buckets[d.Seconds()] = uint64(h.Below(d))
	}
	r.out = append(r.out, prometheus.MustNewConstHistogram(r.c.descs[m.Name], uint64(h.Count()), float64(sumUs)/1e6, buckets, labels...))
}

// source adds what a source answers, and whether it did.
func source[T any](r *reading, name string, ask func(context.Context) (T, error), add func(T)) {
	if ask == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readFor)
	defer cancel()
	got, err := ask(ctx)
	r.gauge(sourceUp, number(err == nil), name)
	if err == nil {
		add(got)
	}
}

func (c *collector) read(now time.Time) []prometheus.Metric {
	r := &reading{c: c}
	v := c.opts.Version
	r.gauge(build, 1, v.Version, v.Commit, v.Go)
	source(r, "queues", c.opts.Queues, func(all []api.Queue) {
		for _, q := range all {
			lane, priority := strconv.Itoa(q.Lane), string(q.Priority)
			age := 0.0
			if !q.Oldest.IsZero() {
				age = max(now.Sub(q.Oldest).Seconds(), 0)
			}
			r.gauge(queueRuns, float64(q.Runs), lane, priority)
			r.gauge(queueAge, age, lane, priority)
			r.gauge(queuePaused, number(q.Paused), lane, priority)
		}
	})
	source(r, "workers", c.opts.Workers, func(all []api.Worker) {
		var alive, has int64
		for _, w := range all {
			if w.Alive {
				alive++
			}
			has += w.Running
		}
		r.gauge(workers, float64(alive), "alive")
		r.gauge(workers, float64(int64(len(all))-alive), "silent")
		r.gauge(running, float64(has))
	})
	source(r, "log", c.opts.Log, func(lanes []logs.Size) {
		for n, l := range lanes {
			lane := strconv.Itoa(n)
			r.gauge(logEntries, float64(l.Entries), lane)
			r.gauge(logBytes, float64(l.Bytes), lane)
		}
	})
	source(r, "destinations", c.opts.Destinations, r.destinations)
	if c.opts.Attempts != nil {
		r.attempts(c.opts.Attempts())
	}
	if c.opts.Storage != nil {
		r.storage(c.opts.Storage())
	}
	if c.opts.Totals != nil {
		totals := c.opts.Totals()
		r.runs(totals)
		r.calls(totals)
	}
	return r.out
}

// number is 1 for true.
func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
