package servicetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresOptions change how a Postgres server is started.
type PostgresOptions struct {
	// Durable makes commits wait for the disk as production does. Without it
	// data survives a Kill of the server but not of the machine.
	Durable bool
	// Settings are server settings by name ("max_connections": "20").
	Settings map[string]string
	// TLS, when set, lets clients connect by TLS, too.
	TLS *Certificate
}

// PostgresServer is a private Postgres server. Its methods end the test when
// they fail, and are for the test's own goroutine.
type PostgresServer struct {
	// URL is the connection string of the server's database "postgres". It
	// stays the same over a Restart.
	URL string

	t      testing.TB
	server *postgresServer
}

// Postgres creates an empty database for the test, on one server that all
// tests of the process share, and returns its connection string. The database
// is dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	paths := need(t, "postgres", "initdb")
	server, err := sharedPostgres(paths[0], paths[1])
	if err != nil {
		t.Fatalf("start Postgres: %v", err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := server.exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("create a database for the test: %v", err)
	}
	t.Cleanup(func() {
		if err := server.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return server.url(name)
}

// StartPostgres starts a Postgres server of the test's own, for tests that
// stop it. It ends with the test.
func StartPostgres(t testing.TB, opts PostgresOptions) *PostgresServer {
	t.Helper()
	paths := need(t, "postgres", "initdb")
	server, err := newPostgres(paths[0], paths[1], opts)
	if err != nil {
		t.Fatalf("start Postgres: %v", err)
	}
	t.Cleanup(func() { server.remove() })
	return &PostgresServer{URL: server.url("postgres"), t: t, server: server}
}

// Kill ends the server and its backends at once (SIGKILL).
func (p *PostgresServer) Kill() { p.t.Helper(); p.end("kill", syscall.SIGKILL) }

// Stop shuts the server down and breaks the connections (a fast shutdown).
func (p *PostgresServer) Stop() { p.t.Helper(); p.end("stop", syscall.SIGINT) }

func (p *PostgresServer) end(what string, sig syscall.Signal) {
	p.t.Helper()
	if err := p.server.end(sig); err != nil {
		p.t.Fatalf("%s Postgres: %v", what, err)
	}
}

// Restart starts the server again on the same port with the same data,
// stopping it first when it still runs.
func (p *PostgresServer) Restart() {
	p.t.Helper()
	p.Stop()
	if err := p.server.start(); err != nil {
		p.t.Fatalf("restart Postgres: %v", err)
	}
}

// Replica starts a server that follows this one by streaming replication and
// only reads until it is promoted. With synchronous set, this one answers a
// commit only when the replica has it, so that a failover loses nothing.
func (p *PostgresServer) Replica(synchronous bool) *PostgresServer {
	p.t.Helper()
	backup := need(p.t, "pg_basebackup")[0]
	server, err := p.server.replica(backup)
	if err != nil {
		p.t.Fatalf("start a replica of Postgres: %v", err)
	}
	p.t.Cleanup(func() { server.remove() })
	if synchronous {
		for _, sql := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
			if err := p.server.exec(sql); err != nil {
				p.t.Fatalf("replicate synchronously: %v", err)
			}
		}
	}
	return &PostgresServer{URL: server.url("postgres"), t: p.t, server: server}
}

// Promote makes a replica a server of its own, which takes writes. It returns
// when it does.
func (p *PostgresServer) Promote() {
	p.t.Helper()
	if err := p.server.exec("SELECT pg_promote(true, 60)"); err != nil {
		p.t.Fatalf("promote the replica of Postgres: %v", err)
	}
}

// Both is the connection string by which a client finds the one of two servers
// that takes writes.
func (p *PostgresServer) Both(other *PostgresServer) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write",
		p.server.port, other.server.port)
}

// databases counts the databases that were created on the shared server.
var databases atomic.Int64

// shared is the server of Postgres, nil until it is needed.
var shared struct {
	sync.Mutex
	server *postgresServer
	err    error
}

func sharedPostgres(postgres, initdb string) (*postgresServer, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = newPostgres(postgres, initdb, PostgresOptions{})
	}
	return shared.server, shared.err
}

// stopShared ends the shared server, if it was started.
func stopShared() {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		shared.server.remove()
		shared.server = nil
	}
}

// postgresServer is a server without a test.
type postgresServer struct {
	path string
	dir  string
	port int
	cred *syscall.Credential
	opts PostgresOptions
	proc *process
}

func newPostgres(postgres, initdb string, opts PostgresOptions) (*postgresServer, error) {
	cred, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := serverDir("paragon-pg-*", cred)
	if err != nil {
		return nil, err
	}
	s := &postgresServer{path: postgres, dir: dir, cred: cred, opts: opts}
	init := exec.Command(initdb, "-D", filepath.Join(dir, "data"), "--no-sync",
		"-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
	init.Dir = dir
	init.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := init.CombinedOutput(); err != nil {
		s.remove()
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	return s, nil
}

// begin starts the server for the first time, or removes it.
func (s *postgresServer) begin() (err error) {
	if err := s.installCertificate(); err != nil {
		s.remove()
		return fmt.Errorf("install the server's certificate: %w", err)
	}
	// Another process may take the free port before the server does.
	for range 5 {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.start(); err == nil {
			return nil
		}
	}
	s.remove()
	return err
}

// replica copies the running server to one that follows it.
func (s *postgresServer) replica(backup string) (*postgresServer, error) {
	dir, err := serverDir("paragon-pg-*", s.cred)
	if err != nil {
		return nil, err
	}
	r := &postgresServer{path: s.path, dir: dir, cred: s.cred, opts: s.opts}
	copying := exec.Command(backup, "-D", filepath.Join(dir, "data"), "-h", "127.0.0.1", "-p", strconv.Itoa(s.port),
		"-U", "postgres", "-X", "stream", "-R", "--checkpoint=fast", "--no-sync")
	copying.Dir = dir
	copying.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	if out, err := copying.CombinedOutput(); err != nil {
		r.remove()
		return nil, fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	if err := r.begin(); err != nil {
		return nil, err
	}
	return r, nil
}

// installCertificate puts a certificate where the server, which is another
// user, may read it; Postgres wants the key to be its own.
func (s *postgresServer) installCertificate() error {
	if s.opts.TLS == nil {
		return nil
	}
	for name, from := range map[string]string{"server.crt": s.opts.TLS.Cert, "server.key": s.opts.TLS.Key} {
		raw, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		to := filepath.Join(s.dir, name)
		if err := os.WriteFile(to, raw, 0o600); err != nil {
			return err
		}
		if s.cred != nil {
			if err := os.Chown(to, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *postgresServer) start() error {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": s.dir,
		"max_connections":         "200",
		"shared_buffers":          "128MB",
		"max_wal_size":            "1GB",
		"fsync":                   "off",
		"full_page_writes":        "off",
	}
	if s.opts.Durable {
		settings["fsync"], settings["full_page_writes"] = "on", "on"
	}
	if s.opts.TLS != nil {
		settings["ssl"] = "on"
		settings["ssl_cert_file"], settings["ssl_key_file"] = filepath.Join(s.dir, "server.crt"), filepath.Join(s.dir, "server.key")
	}
	for name, value := range s.opts.Settings {
		settings[name] = value
	}
	args := []string{"-D", filepath.Join(s.dir, "data")}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	// An immediate shutdown (SIGQUIT) takes the backends along.
	proc, err := start(s.dir, filepath.Join(s.dir, "log"), s.cred, syscall.SIGQUIT, s.path, args...)
	if err != nil {
		return err
	}
	if err := proc.ready(func() error { return s.exec("SELECT 1") }); err != nil {
		proc.end(syscall.SIGKILL)
		return err
	}
	s.proc = proc
	return nil
}

func (s *postgresServer) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// exec runs a statement in the database "postgres".
func (s *postgresServer) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func (s *postgresServer) end(sig syscall.Signal) error {
	if s.proc == nil {
		return nil
	}
	err := s.proc.end(sig)
	s.proc = nil
	return err
}

// remove ends the server and removes its directory.
func (s *postgresServer) remove() {
	// An immediate shutdown: fast, and the server reaps its own children.
	s.end(syscall.SIGQUIT)
	os.RemoveAll(s.dir)
}
