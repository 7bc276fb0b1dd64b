package daemon

import (
	"context"
	"net/http"

	"paragon/engine/connect"
	"paragon/engine/connect/proxy"
	"paragon/engine/outbound"
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

// startProxy starts the proxy of the API.
func (d *Daemon) startProxy(ctx context.Context) {
	d.openConnect()
	o := &d.opts
	transport := outbound.NewRawTransport(o.Outbound)
	p := proxy.New(proxy.Options{
		Targets:   proxy.NewConnected(d.connect),
		Transport: transport, Redis: o.Redis, Lanes: o.Lanes, LogLimit: o.LogLimit, Stats: d.stats, Log: d.log,
		Stopped: d.enrolled.Stopped,
	})
	p.Start(ctx)
	d.proxy = &proxying{Proxy: p, transport: transport}
}

// stop ends it; calls have ended.
func (p *proxying) stop(ctx context.Context) error {
	err := p.Stop(ctx)
	p.transport.CloseIdleConnections()
	return err
}
