package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"paragon/engine/daemon"
	"paragon/schema"
	"paragon/schema/api/buildinfo"
	"paragon/schema/api/contexts"
)

// stopWithin bounds a shutdown.
const stopWithin = 40 * time.Second

type devOptions struct {
	listen, farSide, data string
	context               string
	mail                  mailFlags
	telemetry             telemetryFlags
	log                   logFlags
}

func newDev() *cobra.Command {
	o := &devOptions{}
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything in one process, with nothing installed",
		Long: "dev runs all roles on an embedded store (SQLite) and an in-process Redis. Its data lives\n" +
			"in --data; every run that it acknowledged is there again after a restart, however the\n" +
			"process ended. It writes a paragonctl context named dev with a fresh owner key, and\n" +
			"starts a small API to call (go-httpbin), so that the examples work without the internet.",
		Example: "  paragond dev\n  paragond dev --listen 127.0.0.1:8420 --data /tmp/paragon",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", env("PARAGON_LISTEN", "127.0.0.1:7420"), "address of the API (PARAGON_LISTEN)")
	f.StringVar(&o.farSide, "far-side", "127.0.0.1:7421", "address of the API to call; empty starts none")
	f.StringVar(&o.data, "data", "./.paragon", "directory of the data")
	f.StringVar(&o.context, "write-context", "dev", "name of the paragonctl context to write; empty writes none")
	o.mail.add(cmd)
	o.telemetry.add(cmd)
	o.log.add(cmd)
	return cmd
}

func (o *devOptions) run(cmd *cobra.Command) (err error) {
	log, err := o.log.logger(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	mail, err := o.mail.mail()
	if err != nil {
		return usageError{err}
	}
	ctx := cmd.Context()
	seen, err := o.telemetry.start(ctx, "dev", log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seen.stop(ctx)) }()
	started := time.Now()
	dev, err := daemon.StartDev(ctx, daemon.DevOptions{
		Dir: o.data, Listen: o.listen, FarSide: o.farSide, Version: buildinfo.Read("dev"), Mail: mail, Tracer: seen.tracer, Log: log,
	})
	if err != nil {
		return err
	}
	if err := o.announce(cmd, dev, time.Since(started)); err != nil {
		return errors.Join(err, stopDev(ctx, dev))
	}
	select {
	case <-ctx.Done():
		err = nil
	case err = <-dev.Failed():
	}
	return errors.Join(err, stopDev(ctx, dev))
}

func stopDev(ctx context.Context, dev *daemon.Dev) error {
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return dev.Stop(stop)
}

// announce writes the context and says what to type next.
func (o *devOptions) announce(cmd *cobra.Command, dev *daemon.Dev, took time.Duration) error {
	server := "http://" + dev.Addr().String()
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "Paragon is ready at %s (%d ms); its data is in %s\n", server, took.Milliseconds(), o.data)
	if dev.FarSide != "" {
		fmt.Fprintf(out, "An API to call is at %s (go-httpbin)\n", dev.FarSide)
	}
	if o.context == "" {
		fmt.Fprintf(out, "\nexport PARAGON_SERVER=%s PARAGON_TOKEN=%s\n", server, dev.Token)
		return nil
	}
	path, err := contexts.Path(os.Getenv)
	if err != nil {
		return err
	}
	if err := contexts.Set(path, o.context, contexts.Context{Server: server, Project: schema.DefaultProject, Token: dev.Token}); err != nil {
		return fmt.Errorf("write the paragonctl context: %w", err)
	}
	ctl := "paragonctl"
	if self, err := os.Executable(); err == nil {
		ctl = relative(filepath.Join(filepath.Dir(self), "paragonctl"))
	}
	fmt.Fprintf(out, `paragonctl uses it by context %q. In another terminal, type:

  %[2]s apply -f examples/quickstart
  %[2]s trigger lead-sync --input '{"email":"a@example.com"}' --wait
  %[2]s runs list
  %[2]s runs logs <id>

`, o.context, ctl)
	return nil
}

// relative is a path as one would type it from here.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil || len(rel) > len(path) {
		return path
	}
	return rel
}
