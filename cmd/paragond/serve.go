package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paragon/engine/daemon"
	"paragon/engine/execution"
	"paragon/engine/httpapi"
	"paragon/engine/outbound"
	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/engine/seal"
	"paragon/engine/store"
	"paragon/engine/store/postgres"
	"paragon/schema/api/buildinfo"
)

type serveOptions struct {
	roles, listen, postgres, redis string
	publicURL                      string
	keyFile                        string
	lanes, capacity                int
	drain, linger                  time.Duration
	allowPrivate                   []string
	strict, allowLoopback          bool
	payloads                       string
	logLimit                       int64
	rate                           int
	keep                           []string
	oidc                           oidcFlags
	mail                           mailFlags
	tls                            tlsFlags
	telemetry                      telemetryFlags
	log                            logFlags
}

func newServe() *cobra.Command {
	o := &serveOptions{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run some or all roles against a Postgres and a Redis",
		Long: "serve runs the roles api, worker, scheduler and flusher, or some of them. api and flusher\n" +
			"need Postgres, with the current schema (paragond migrate); worker and scheduler need only\n" +
			"Redis. All processes of an installation have the same --lanes and the same master key.",
		Example: "  paragond serve --postgres postgres://paragon@db/paragon --redis redis://cache:6379\n" +
			"  paragond serve --roles worker --redis redis://cache:6379",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&o.roles, "roles", env("PARAGON_ROLES", "api,worker,scheduler,flusher"), "what this process does (PARAGON_ROLES)")
	f.StringVar(&o.listen, "listen", env("PARAGON_LISTEN", "127.0.0.1:7420"), "address of the API and of /livez, /readyz (PARAGON_LISTEN)")
	f.StringVar(&o.publicURL, "public-url", env("PARAGON_PUBLIC_URL", ""), "where browsers reach the API, for OAuth2 (PARAGON_PUBLIC_URL; default: http:// and the address of --listen)")
	f.StringVar(&o.postgres, "postgres", env("PARAGON_POSTGRES", ""), "URL of Postgres (PARAGON_POSTGRES)")
	f.StringVar(&o.redis, "redis", env("PARAGON_REDIS", ""), "URL of Redis; several, with commas, for Cluster; redis+sentinel:// for Sentinel (PARAGON_REDIS)")
	f.StringVar(&o.payloads, "payloads", env("PARAGON_PAYLOADS", ""), "object storage for values above 256 KiB: dir:/path, or s3://bucket/prefix?endpoint=https://host (PARAGON_PAYLOADS; default: they stay in Redis and Postgres)")
	f.StringVar(&o.keyFile, "master-key-file", "", "file with the master key; else PARAGON_MASTER_KEY or PARAGON_MASTER_KEY_FILE")
	f.IntVar(&o.lanes, "lanes", daemon.DefaultLanes, "number of lanes: the same in all processes, and never made smaller while runs live")
	f.IntVar(&o.capacity, "capacity", execution.DefaultCapacity, "how many runs a worker executes at once, not counting as many again whose calls take long")
	f.DurationVar(&o.drain, "drain", 25*time.Second, "how long attempts under way may go on at shutdown")
	f.DurationVar(&o.linger, "linger", 3*time.Second, "how long the API still answers at shutdown once /readyz says that it will not")
	f.IntVar(&o.rate, "rate-limit", 10_000, "requests a second that one key or login may send to this process; 0: any number")
	f.Int64Var(&o.logLimit, "log-limit", 1<<30, "bytes of log that may wait in Redis while Postgres is away; beyond, triggers are refused")
	f.StringSliceVar(&o.keep, "keep-history", nil, "how long the flusher keeps the history of runs: 30d for all projects, shop=90d for one (default: for ever)")
	f.StringSliceVar(&o.allowPrivate, "allow-private", nil, "private address ranges that requests may reach (10.0.0.0/8)")
	f.BoolVar(&o.allowLoopback, "allow-loopback", false, "let requests reach this machine's loopback addresses")
	f.BoolVar(&o.strict, "strict", false, "refuse to start where a start-up check fails: a Redis that may lose jobs, clocks apart, an old server")
	o.oidc.add(cmd)
	o.mail.add(cmd)
	o.tls.add(cmd)
	o.telemetry.add(cmd)
	o.log.add(cmd)
	return cmd
}

func (o *serveOptions) run(cmd *cobra.Command) (err error) {
	log, err := o.log.logger(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	opts, err := o.daemonOptions(log)
	if err != nil {
		return err
	}
	needs := opts.NeedsStore()
	if o.redis == "" {
		return usageError{errors.New("serve needs a Redis: give --redis or PARAGON_REDIS (or try `paragond dev`, which needs nothing)")}
	}
	if needs && o.postgres == "" {
		return usageError{errors.New("the roles api and flusher need a Postgres: give --postgres or PARAGON_POSTGRES")}
	}
	seen, err := o.telemetry.start(ctx, "serve", log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seen.stop(ctx)) }()
	opts.Tracer = seen.tracer
	if opts.TLS, err = o.tls.config(log); err != nil {
		return err
	}
	if err := o.checkStart(ctx, log); err != nil {
		return err
	}
	if o.postgres != "" {
		db, err := openStore(ctx, o.postgres)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		opts.Store = db
	}
	rdb, err := queue.NewRedis(o.redis, queue.RedisOptions{Name: "paragond"})
	if err != nil {
		return usageError{fmt.Errorf("--redis: %w", err)}
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	opts.Redis = rdb
	var lc net.ListenConfig
	if opts.Listener, err = lc.Listen(ctx, "tcp", o.listen); err != nil {
		return fmt.Errorf("listen on %s: %w", o.listen, err)
	}
	return serve(ctx, opts, log)
}

// daemonOptions are the flags that need no connection.
func (o *serveOptions) daemonOptions(log *slog.Logger) (daemon.Options, error) {
	if o.lanes < 1 || o.lanes > execution.MaxLanes {
		return daemon.Options{}, usageError{fmt.Errorf("--lanes %d: from 1 to %d are possible, and 4 do for most", o.lanes, execution.MaxLanes)}
	}
	opts := daemon.Options{
		Lanes: o.lanes, Capacity: o.capacity, Drain: o.drain, Linger: o.linger, LogLimit: o.logLimit,
		Version: buildinfo.Read("serve"), Log: log,
		Limits:   httpapi.Limits{Rate: o.rate},
		Outbound: outbound.Settings{AllowLoopback: o.allowLoopback},
	}
	if o.rate < 0 {
		return opts, usageError{fmt.Errorf("--rate-limit: %d is less than 0", o.rate)}
	}
	var err error
	if opts.Roles, err = daemon.ParseRoles(o.roles); err != nil {
		return opts, usageError{fmt.Errorf("--roles: %w", err)}
	}
	if opts.PublicURL, err = parsePublicURL(o.publicURL); err != nil {
		return opts, usageError{err}
	}
	if opts.Outbound.AllowPrefixes, err = parsePrefixes(o.allowPrivate); err != nil {
		return opts, usageError{err}
	}
	if o.payloads != "" {
		if opts.Payloads, err = payload.Open(o.payloads); err != nil {
			return opts, usageError{fmt.Errorf("--payloads: %w", err)}
		}
	}
	if opts.Keep, err = parseKeep(o.keep); err != nil {
		return opts, usageError{err}
	}
	if opts.Identity, err = o.oidc.provider(); err != nil {
		return opts, usageError{err}
	}
	if opts.Mail, err = o.mail.mail(); err != nil {
		return opts, usageError{err}
	}
	if opts.Keyring, err = seal.LoadKeyring(seal.Source{File: o.keyFile}); err != nil {
		return opts, fmt.Errorf("read the master key: %w. %s", err, giveMasterKey)
	}
	return opts, nil
}

// parsePublicURL checks where browsers reach the API; empty is unknown.
func parsePublicURL(text string) (string, error) {
	text = strings.TrimRight(text, "/")
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("--public-url: %q is not the address of a server: write it like https://paragon.example.org", text)
	}
	return text, nil
}

// openStore opens Postgres and refuses a schema that is not current.
func openStore(ctx context.Context, address string) (store.Store, error) {
	db, err := postgres.Open(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("open Postgres: %w", err)
	}
	if err := db.CheckSchema(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// serve runs the process until ctx is done or it fails.
func serve(ctx context.Context, opts daemon.Options, log *slog.Logger) error {
	d, err := daemon.Start(ctx, opts)
	if err != nil {
		return err
	}
	log.Info("ready", "address", d.Addr().String(), "roles", opts.Roles, "lanes", opts.Lanes)
	select {
	case <-ctx.Done():
		log.Info("stopping")
	case err = <-d.Failed():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), opts.Linger+opts.Drain+15*time.Second)
	defer cancel()
	return errors.Join(err, d.Stop(stop))
}
