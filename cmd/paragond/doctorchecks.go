package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/engine/seal"
	"paragon/engine/store"
	"paragon/engine/store/postgres"
	"paragon/schema/api"
)

// doctorTimeout bounds the checks of one thing.
const doctorTimeout = 10 * time.Second

// minPostgres is the oldest Postgres that the tests have run on.
const minPostgres = 15

// doctor makes the checks, one after the other.
type doctor struct {
	opts   *doctorOptions
	checks []api.Check
}

func (d *doctor) ok(name, found string) {
	d.checks = append(d.checks, api.Check{Name: name, Status: api.CheckOK, Found: found})
}

func (d *doctor) failed(name, found, advice string) {
	d.checks = append(d.checks, api.Check{Name: name, Status: api.CheckFailed, Found: found, Advice: advice})
}

func (d *doctor) unknown(name, found, advice string) {
	d.checks = append(d.checks, api.Check{Name: name, Status: api.CheckUnknown, Found: found, Advice: advice})
}

// checkAll makes all checks. An error is a mistake in the flags.
func (d *doctor) checkAll(ctx context.Context) error {
	// go-redis would write each failed connection to standard error.
	queue.LogRedis(slog.New(slog.DiscardHandler))
	for _, check := range []func(context.Context) error{d.redis, d.sql, d.storage, d.address} {
		ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
		err := check(ctx)
		cancel()
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (d *doctor) redis(ctx context.Context) (err error) {
	rdb, err := queue.NewRedis(d.opts.redis, queue.RedisOptions{Name: "paragond-doctor"})
	if err != nil {
		return usageError{fmt.Errorf("--redis: %w", err)}
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	findings, err := queue.Check(ctx, rdb)
	if err != nil {
		d.failed("redis", err.Error(), "See that Redis runs, and that this machine may reach it at the address of --redis.")
		return nil
	}
	d.ok("redis", "it answers")
	d.redisSettings(findings)
	d.redisClock(ctx, rdb)
	return nil
}

// redisSettings makes a check of each group of settings out of what is wrong
// with them.
func (d *doctor) redisSettings(findings []queue.Finding) {
	for _, group := range []struct {
		name, well string
		settings   []string
	}{
		{"redis version", "new enough", []string{"redis_version"}},
		{"redis role", "it is a primary", []string{"role"}},
		{"redis memory", "maxmemory-policy is noeviction, and there is room", []string{"maxmemory-policy", "used_memory"}},
		{"redis persistence", "it keeps an append-only file", []string{"appendonly", "appendfsync", "aof_last_write_status"}},
	} {
		before := len(d.checks)
		for _, f := range findings {
			for _, s := range group.settings {
				if f.Setting != s {
					continue
				}
				found, _ := strings.CutSuffix(f.String(), ". "+f.Advice)
				if f.Unknown {
					d.unknown(group.name, found, f.Advice)
				} else {
					d.failed(group.name, found, f.Advice)
				}
			}
		}
		if len(d.checks) == before {
			d.ok(group.name, group.well)
		}
	}
}

func (d *doctor) redisClock(ctx context.Context, rdb redis.UniversalClient) {
	sent := time.Now()
	there, err := rdb.Time(ctx).Result()
	if err != nil {
		d.unknown("redis clock", err.Error(), "Let the user of --redis run TIME.")
		return
	}
	d.checks = append(d.checks, api.ClockCheck("redis clock", there, sent, time.Now(), 0))
}

// sql checks Postgres, and the master key with what is in it.
func (d *doctor) sql(ctx context.Context) (err error) {
	if d.opts.postgres == "" {
		d.unknown("postgres", "none is given", "Give --postgres to check what the roles api and flusher need.")
		d.masterKey(ctx, nil)
		return nil
	}
	opened, err := postgres.Open(ctx, d.opts.postgres)
	if err != nil {
		return usageError{fmt.Errorf("--postgres: %w", err)}
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	db := opened.(*postgres.Store)
	if _, err := db.Server(ctx); err != nil { // connects
		d.failed("postgres", err.Error(), "See that Postgres runs, and that this machine may log in with the URL of --postgres.")
		d.masterKey(ctx, nil)
		return nil
	}
	d.ok("postgres", "it answers")
	sent := time.Now()
	server, err := db.Server(ctx)
	if err != nil {
		d.failed("postgres version", err.Error(), "Try again: the connection was lost.")
		return nil
	}
	clock := api.ClockCheck("postgres clock", server.Now, sent, time.Now(), 0)
	if server.Major < minPostgres {
		d.failed("postgres version", server.Version, fmt.Sprintf("Use Postgres %d or newer.", minPostgres))
	} else {
		d.ok("postgres version", server.Version)
	}
	d.checks = append(d.checks, clock)
	if err := db.CheckSchema(ctx); err != nil {
		advice := "Run `paragond migrate` of this version, with the same --postgres."
		if errors.Is(err, store.ErrNewer) {
			advice = "Start the release that migrated it, or a newer one."
		}
		d.failed("postgres schema", err.Error(), advice)
		d.masterKey(ctx, nil)
		return nil
	}
	d.ok("postgres schema", "it is current")
	d.masterKey(ctx, db)
	return nil
}

// giveMasterKey is what to do where there is none: a new one opens nothing that
// is there already.
const giveMasterKey = "Give the installation's master key by --master-key-file or PARAGON_MASTER_KEY."

// masterKey reads the master key and opens the projects' data keys with it;
// without a store, only the first.
func (d *doctor) masterKey(ctx context.Context, db store.Store) {
	const name = "master key"
	keyring, err := seal.LoadKeyring(seal.Source{File: d.opts.keyFile})
	if err != nil {
		d.failed(name, err.Error(), giveMasterKey)
		return
	}
	if db == nil {
		d.unknown(name, "it can be read; whether it opens the data keys shows only with a current Postgres", "Make Postgres well first.")
		return
	}
	snap, err := db.LoadConfig(ctx)
	if err != nil {
		d.unknown(name, err.Error(), "Make Postgres well first.")
		return
	}
	for _, p := range snap.Projects {
		if _, err := keyring.DataKey(ctx, p.Name, p.DataKey); err != nil {
			d.failed(name, err.Error(), "Give the key that the installation was begun with, or both while you replace it.")
			return
		}
	}
	d.ok(name, fmt.Sprintf("it opens the data keys of %d projects", len(snap.Projects)))
}

// storage checks object storage, where there is any.
func (d *doctor) storage(ctx context.Context) error {
	const name = "object storage"
	if d.opts.payloads == "" {
		return nil
	}
	s, err := payload.Open(d.opts.payloads)
	if err != nil {
		return usageError{fmt.Errorf("--payloads: %w", err)}
	}
	if err := s.Ping(ctx); err != nil {
		d.failed(name, err.Error(), "See that what --payloads names is there, and that AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY may list, get, put and delete in it.")
		return nil
	}
	d.ok(name, "it answers")
	return nil
}

// servedHere tells whether Paragon answers at an address, by HTTP or HTTPS. The
// certificate is not looked at: that it is this machine is known.
func servedHere(ctx context.Context, address string) bool {
	plain := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // see above
	defer plain.CloseIdleConnections()
	for _, scheme := range []string{"http://", "https://"} {
		client := api.New(scheme+address, "", api.WithHTTPClient(plain), api.WithTimeout(doctorTimeout/4), api.WithAttempts(1))
		_, err := client.Ready(ctx)
		client.Close()
		if err == nil {
			return true
		}
	}
	return false
}

// address tells whether the API could listen, or does.
func (d *doctor) address(ctx context.Context) error {
	const name = "address"
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", d.opts.listen)
	if err == nil {
		d.ok(name, d.opts.listen+" is free")
		return l.Close()
	}
	host, port, splitErr := net.SplitHostPort(d.opts.listen)
	if splitErr != nil {
		return usageError{fmt.Errorf("--listen: %w", splitErr)}
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	if !servedHere(ctx, net.JoinHostPort(host, port)) {
		d.failed(name, err.Error(), "Another program has the address, or it is not this machine's: choose one with --listen.")
		return nil
	}
	d.ok(name, d.opts.listen+" is served by Paragon")
	return nil
}
