package daemon

import (
	"context"
	"net/http"

	"paragon/engine/connect"
	"paragon/engine/connect/proxy"
	"paragon/engine/connect/proxy/later"
	"paragon/engine/outbound"
	"paragon/workflows/steps"
)

// proxying is the proxy with its connections to far sides.
type proxying struct {
	*proxy.Proxy
	transport *http.Transport
}

// openConnect makes what steps and the proxy share: the way out, and what finds
// credentials.
func (d *Daemon) openConnect() {
	if d.connect != nil {
		return
	}
	d.outbound = outbound.New(d.opts.Outbound)
	d.outbound.Transport = d.opts.Tracer.Transport(d.outbound.Transport)
	d.connect = connect.New(connect.Options{Config: d.cache, Credentials: d.lender, HTTP: d.outbound})
}

// startProxy starts the proxy, once: the API serves calls with it, the worker
// makes those that nobody waits for.
func (d *Daemon) startProxy(ctx context.Context) {
	if d.proxy != nil {
		return
	}
	d.openConnect()
	o := &d.opts
	transport := outbound.NewRawTransport(o.Outbound)
	p := proxy.New(proxy.Options{
		Targets:   proxy.NewConnected(d.connect),
		Transport: o.Tracer.Transport(transport), Redis: o.Redis, Lanes: o.Lanes, LogLimit: o.LogLimit, Stats: d.stats, Log: d.log,
		Stopped: d.enrolled.Stopped,
	})
	p.Start(ctx)
	d.proxy = &proxying{Proxy: p, transport: transport}
}

// callsLater makes the performer of calls that nobody waits for; it leaves other
// requests to the given one.
func (d *Daemon) callsLater(others steps.Performer) steps.Performer {
	return later.NewPerformer(later.Options{Proxy: d.proxy.Proxy, Redis: d.opts.Redis, Transport: d.outbound.Transport, Now: d.opts.Now,
		Secret: func(project, name string) (string, bool) {
			if p := d.cache.Project(project); p != nil {
				return p.Secret(name)
			}
			return "", false
		}}, others)
}

// stop ends it; calls have ended.
func (p *proxying) stop(ctx context.Context) error {
	err := p.Stop(ctx)
	p.transport.CloseIdleConnections()
	return err
}
