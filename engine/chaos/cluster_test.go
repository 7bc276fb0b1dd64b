package chaos_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"paragon/engine/config"
	"paragon/engine/queue"
	"paragon/engine/seal"
	"paragon/engine/servicetest"
	"paragon/engine/store/postgres"
	"paragon/schema"
	"paragon/schema/api"
)

// lanes is the number of lanes of every installation here.
const lanes = 2

// cluster is an installation: its servers, its processes, and what they call.
type cluster struct {
	t     testing.TB
	dir   string
	far   *farSide
	redis *redisServer
	// server is the Postgres that can be stopped; nil when the test shares one.
	server *servicetest.PostgresServer
	// replica follows server; nil where there is none.
	replica *servicetest.PostgresServer
	pgURL   string

	// pool and rdb look at the servers directly, past all links.
	pool *pgxpool.Pool
	rdb  redis.UniversalClient

	token     string
	processes []*process
	loads     []*load // those that were begun
	// strikes are what hit those that execute runs.
	strikes strikes

	// emptied is what Redis lost.
	emptied []loss
}

// options change what a cluster is made of.
type options struct {
	// ownPostgres gives it a server that the test can stop.
	ownPostgres bool
	// replica gives that server a synchronous replica. All connect to whichever
	// takes writes, without links.
	replica bool
	// volatile lets Redis forget all when it restarts.
	volatile bool
	// by makes the schema and the first key; "" does so in this process.
	by string
}

func newCluster(t testing.TB, o options) *cluster {
	t.Helper()
	if _, err := binary(); err != nil {
		t.Fatalf("build paragond: %v", err)
	}
	c := &cluster{t: t, dir: t.TempDir()}
	if o.ownPostgres {
		c.server = servicetest.StartPostgres(t, servicetest.PostgresOptions{})
		c.pgURL = c.server.URL
		if o.replica {
			c.replica = c.server.Replica(true)
			c.pgURL = c.server.Both(c.replica)
		}
	} else {
		c.pgURL = servicetest.Postgres(t)
	}
	c.far = newFarSide(t)
	c.connect(o.volatile)
	c.prepare(o.by)
	return c
}

// connect starts an empty Redis, and opens the test's own connections to it and
// to Postgres.
func (c *cluster) connect(volatile bool) {
	c.t.Helper()
	server := servicetest.StartRedis(c.t, servicetest.RedisOptions{
		Volatile: volatile,
		// With everysec, Redis holds writes back for up to two seconds while the
		// disk is busy: a SIGKILL then loses what it has acknowledged.
		Args: []string{"--appendfsync", "always"},
	})
	c.redis = &redisServer{RedisServer: server, struck: &c.strikes}
	var err error
	c.rdb, err = queue.NewRedis("redis://"+c.redis.Addr, queue.RedisOptions{})
	c.must(err)
	c.t.Cleanup(func() { _ = c.rdb.Close() })
	ctx, quit := context.WithCancel(c.t.Context())
	var listening sync.WaitGroup
	listening.Go(func() {
		c.strikes.listen(ctx, c.rdb, func(worker string, d time.Duration) { c.t.Logf("worker %s was silent for %v", worker, d) })
	})
	c.t.Cleanup(func() { quit(); listening.Wait() })
	c.pool, err = pgxpool.New(c.t.Context(), c.pgURL)
	c.must(err)
	c.t.Cleanup(c.pool.Close)
}

// prepare makes the schema, a master key and an owner's key.
func (c *cluster) prepare(by string) {
	c.t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the process itself
	c.must(os.WriteFile(c.keyFile(), []byte(base64.StdEncoding.EncodeToString(secret)+"\n"), 0o600))
	if by != "" {
		c.output(by, "migrate", "--postgres", c.pgURL)
		c.token = c.output(by, "bootstrap", "--postgres", c.pgURL, "--redis", "redis://"+c.redis.Addr, "--master-key-file", c.keyFile())
		return
	}
	keyring, err := seal.LoadKeyring(seal.Source{File: c.keyFile()})
	c.must(err)
	db, err := postgres.Open(c.t.Context(), c.pgURL)
	c.must(err)
	defer db.Close()
	c.must(db.Migrate(c.t.Context()))
	svc := config.New(config.Options{Store: db, Redis: c.rdb, Keyring: keyring})
	c.token, err = svc.Bootstrap(c.t.Context(), schema.DefaultProject)
	c.must(err)
}

// output runs a paragond to its end and returns what it prints.
func (c *cluster) output(path string, args ...string) string {
	c.t.Helper()
	out, err := exec.CommandContext(c.t.Context(), path, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		c.t.Fatalf("%s: %v: %s", args[0], err, exit.Stderr)
	}
	c.must(err)
	return strings.TrimSpace(string(out))
}

func (c *cluster) keyFile() string { return filepath.Join(c.dir, "master.key") }

// start starts a process of roles ("api,flusher") and waits until it is ready.
func (c *cluster) start(name, roles string, flags ...string) *process {
	c.t.Helper()
	p := c.process(name, roles, flags...)
	p.start()
	return p
}

// process makes a process with links of its own.
func (c *cluster) process(name, roles string, flags ...string) *process {
	c.t.Helper()
	p := &process{t: c.t, name: name, dir: c.dir}
	p.redis = newLink(c.t, name+"-redis", c.redis.Addr)
	if executes(roles) {
		p.struck, p.redis.struck, p.drains = &c.strikes, &c.strikes, drainOf(flags)
	}
	p.args = append([]string{
		"serve", "--roles", roles, "--redis", "redis://" + p.redis.addr(), "--lanes", strconv.Itoa(lanes),
		"--master-key-file", c.keyFile(), "--allow-loopback", "--log-format", "json",
	}, flags...)
	switch {
	case roles == "worker" || roles == "scheduler":
	case c.replica != nil:
		p.args = append(p.args, "--postgres", c.pgURL)
	default:
		u, err := url.Parse(c.pgURL)
		c.must(err)
		p.postgres = newLink(c.t, name+"-postgres", u.Host)
		u.Host = p.postgres.addr()
		p.args = append(p.args, "--postgres", u.String())
	}
	c.processes = append(c.processes, p)
	c.t.Cleanup(p.cleanup)
	c.t.Cleanup(func() {
		if (c.t.Failed() || testing.Verbose() && os.Getenv("CHAOS_LOG") != "") && p.log != nil {
			c.t.Logf("the last words of %s: %s", p.name, p.log.tail())
		}
	})
	return p
}

// drainOf is the --drain among flags, or paragond's own.
func drainOf(flags []string) time.Duration {
	if i := slices.Index(flags, "--drain"); i >= 0 {
		d, _ := time.ParseDuration(flags[i+1]) // the process reads it, too
		return d
	}
	return 25 * time.Second
}

// client calls the API of a process, each request once.
func (c *cluster) client(p *process) *api.Client {
	client := api.New(p.url(), c.token, api.WithAttempts(1), api.WithTimeout(5*time.Second))
	c.t.Cleanup(client.Close)
	return client
}

// apply applies workflows through a process, which knows them at once.
func (c *cluster) apply(p *process, content string) {
	c.t.Helper()
	client := api.New(p.url(), c.token)
	defer client.Close()
	_, err := client.Apply(c.t.Context(), api.ApplyRequest{Files: []api.File{{Name: "chaos.yaml", Content: content}}}, api.ApplyOptions{})
	c.must(err)
}

// trigger starts a run.
func (c *cluster) trigger(client *api.Client, workflow, key string) *schema.Run {
	c.t.Helper()
	run, err := client.Trigger(c.t.Context(), workflow, request(key, key), 0)
	c.must(err)
	return run
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// eventually waits until a look at a server finds what is wanted: what another
// process did sends the test no signal.
func (c *cluster) eventually(within time.Duration, what string, look func(ctx context.Context) (bool, error)) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), within)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := look(ctx)
		if found && err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("waited %v in vain: %s (last error: %v)", within, what, err)
		}
	}
}

// pass lets a time pass during which a fault lasts.
func (c *cluster) pass(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.t.Context().Done():
	}
}
