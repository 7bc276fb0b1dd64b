package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"

	"github.com/spf13/cobra"

	"paragon/engine/tracing"
	"paragon/schema/api/buildinfo"
)

// telemetryFlags say who may look into the process: a collector of traces, and
// whoever takes profiles. Both are off by default.
type telemetryFlags struct {
	collector string
	share     float64
	profiles  string
}

func (o *telemetryFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.collector, "otlp-endpoint", env("PARAGON_OTLP_ENDPOINT", ""),
		"URL of an OTLP collector for traces, such as http://collector:4318; empty sends none (PARAGON_OTLP_ENDPOINT)")
	f.Float64Var(&o.share, "trace-share", 1, "part of the traces begun here that is recorded, 0 to 1; what others began is recorded when they say so")
	f.StringVar(&o.profiles, "pprof-listen", env("PARAGON_PPROF_LISTEN", ""),
		"address that serves profiles of the process at /debug/pprof/ to all who reach it; empty serves none (PARAGON_PPROF_LISTEN)")
}

// telemetry is what the flags began.
type telemetry struct {
	tracer   *tracing.Tracer
	profiles *http.Server
	served   chan error
}

// start begins what the flags ask for.
func (o *telemetryFlags) start(ctx context.Context, mode string, log *slog.Logger) (*telemetry, error) {
	host, _ := os.Hostname() // an instance without a name is still one
	tracer, err := tracing.New(ctx, tracing.Settings{
		Endpoint: o.collector, Share: o.share, Log: log,
		Version: buildinfo.Read(mode).Version, Instance: fmt.Sprintf("%s/%d", host, os.Getpid()),
	})
	if err != nil {
		return nil, usageError{fmt.Errorf("--otlp-endpoint, --trace-share: %w", err)}
	}
	t := &telemetry{tracer: tracer}
	if o.profiles == "" {
		return t, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.profiles)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--pprof-listen: %w", err), t.stop(ctx))
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		log.Warn("profiles are served to all who reach this address, without a key", "address", l.Addr().String())
	}
	t.serve(l)
	log.Info("profiles are served", "address", l.Addr().String())
	return t, nil
}

// serve serves profiles: on a listener of its own, since a profile tells what
// the process works on and costs it time.
func (t *telemetry) serve(l net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index) // heap, goroutine, allocs and the like too
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	t.profiles = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	t.served = make(chan error, 1)
	go func() { t.served <- t.profiles.Serve(l) }()
}

// stop sends the spans that wait, and ends the profiles.
func (t *telemetry) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if t.profiles != nil {
		_ = t.profiles.Close() // a profile under way is of no use any more
		<-t.served
	}
	if err := t.tracer.Stop(ctx); err != nil {
		return fmt.Errorf("send the last spans: %w", err)
	}
	return nil
}
