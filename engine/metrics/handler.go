package metrics

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"paragon/engine/destination"
	"paragon/engine/logs"
	"paragon/engine/payload"
	"paragon/engine/stats"
	"paragon/schema/api"
)

// Options are what a handler reads. A source that is nil is left out: not
// every role has each.
type Options struct {
	Version api.Version
	Queues  func(context.Context) ([]api.Queue, error)
	Workers func(context.Context) ([]api.Worker, error)
	// Log answers the sizes of the lanes' logs, in the lanes' order.
	Log func(context.Context) ([]logs.Size, error)
	// Destinations answers how sending to destinations goes, Attempts what came of
	// this process' own.
	Destinations func(context.Context) ([]destination.Standing, error)
	Attempts     func() map[destination.Name]destination.Attempts
	// Storage answers what this process asked of object storage.
	Storage func() payload.Usage
	// Totals answers what this process counted since it began, by project.
	Totals func() map[string]stats.Set
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

const (
	// readFor bounds how long one source is waited for.
	readFor = 2 * time.Second
	// fresh is for how long what was read is answered again: the route is open
	// to everybody, and must not let a caller load Redis.
	fresh = time.Second
)

// Handler serves the metrics. While a source does not answer, its metrics are
// left out and paragon_source_up says so; the others are served.
func Handler(opts Options) http.Handler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	reg := prometheus.NewRegistry()
	ours := prometheus.WrapRegistererWithPrefix("paragon_", reg)
	ours.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	c := &collector{opts: opts, descs: map[string]*prometheus.Desc{}}
	for _, m := range List() {
		c.descs[m.Name] = prometheus.NewDesc(m.Name, m.Help, m.Labels, nil)
	}
	reg.MustRegister(c)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
}

// collector reads the sources when it is asked.
type collector struct {
	opts  Options
	descs map[string]*prometheus.Desc
	slots struct{ workflows, integrations, destinations slots }

	mu   sync.Mutex
	at   time.Time
	last []prometheus.Metric
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

// Collect implements prometheus.Collector. Of callers that come at once the
// first reads, and the others get what it read.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	if now := c.opts.Now(); c.last == nil || now.Sub(c.at) >= fresh {
		c.last = c.read(now)
		c.at = c.opts.Now()
	}
	read := c.last
	c.mu.Unlock()
	for _, m := range read {
		to <- m
	}
}
