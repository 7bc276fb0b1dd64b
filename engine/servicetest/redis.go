package servicetest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// RedisOptions change how a Redis server is started.
type RedisOptions struct {
	// Volatile turns the append-only file off: a restart comes back empty.
	Volatile bool
	// Args are added to the command line ("--maxmemory", "10mb").
	Args []string
	// TLS, when set, makes the server listen for TLS at TLSAddr, too, and ask
	// clients for a certificate of the same authority.
	TLS *Certificate
}

// RedisServer is a private redis-server. Its methods end the test when they
// fail, and are for the test's own goroutine.
type RedisServer struct {
	// Addr is host:port. It stays the same over a Restart.
	Addr string
	// TLSAddr is host:port of TLS; empty without.
	TLSAddr string

	t    testing.TB
	path string
	dir  string
	opts RedisOptions
	proc *process
}

// Redis starts an empty redis-server for the test and returns its address. It
// keeps an append-only file as production does.
func Redis(t testing.TB) string {
	t.Helper()
	return StartRedis(t, RedisOptions{}).Addr
}

// StartRedis starts an empty redis-server that ends with the test.
func StartRedis(t testing.TB, opts RedisOptions) *RedisServer {
	t.Helper()
	path := need(t, "redis-server")[0]
	dir, err := serverDir("paragon-redis-*", nil)
	if err != nil {
		t.Fatalf("make a directory for Redis: %v", err)
	}
	r := &RedisServer{t: t, path: path, dir: dir, opts: opts}
	t.Cleanup(func() {
		if r.proc != nil {
			r.proc.end(syscall.SIGKILL)
		}
		os.RemoveAll(dir)
	})
	// Another process may take the free port before the server does.
	for range 5 {
		var port int
		if port, err = freePort(); err != nil {
			break
		}
		r.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if err = r.start(); err == nil {
			return r
		}
	}
	t.Fatalf("start Redis: %v", err)
	return nil
}

func (r *RedisServer) start() error {
	_, port, _ := net.SplitHostPort(r.Addr)
	aof := "yes"
	if r.opts.Volatile {
		aof = "no"
	}
	args := append([]string{
		"--bind", "127.0.0.1", "--port", port, "--dir", r.dir,
		"--save", "", "--appendonly", aof,
		// The file is written before the reply, so that what was acknowledged
		// survives a SIGKILL; a sync to disk is only for a lost machine.
		"--appendfsync", "everysec",
	}, r.opts.Args...)
	if c := r.opts.TLS; c != nil {
		port, err := freePort()
		if err != nil {
			return err
		}
		r.TLSAddr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		args = append(args, "--tls-port", strconv.Itoa(port), "--tls-cert-file", c.Cert, "--tls-key-file", c.Key, "--tls-ca-cert-file", c.CA)
	}
	proc, err := start(r.dir, filepath.Join(r.dir, "log"), nil, syscall.SIGKILL, r.path, args...)
	if err != nil {
		return err
	}
	if err := proc.ready(func() error { return r.do("PING", "+PONG") }); err != nil {
		proc.end(syscall.SIGKILL)
		return err
	}
	r.proc = proc
	return nil
}

// do sends an inline command and expects an answer.
func (r *RedisServer) do(command, want string) error {
	conn, err := net.DialTimeout("tcp", r.Addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(line); got != want {
		return fmt.Errorf("%s: %s", command, got)
	}
	return nil
}

// Pause stops the server in its tracks (SIGSTOP): connections stay open and
// nothing answers.
func (r *RedisServer) Pause() { r.t.Helper(); r.send(syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (r *RedisServer) Resume() { r.t.Helper(); r.send(syscall.SIGCONT) }

func (r *RedisServer) send(sig syscall.Signal) {
	r.t.Helper()
	if r.proc == nil {
		r.t.Fatal("Redis is not running")
	}
	if err := r.proc.signal(sig); err != nil {
		r.t.Fatalf("signal Redis: %v", err)
	}
}

// Kill ends the server at once (SIGKILL). What it acknowledged is in its
// append-only file.
func (r *RedisServer) Kill() {
	r.t.Helper()
	if r.proc == nil {
		return
	}
	err := r.proc.end(syscall.SIGKILL)
	r.proc = nil
	if err != nil {
		r.t.Fatalf("kill Redis: %v", err)
	}
}

// Restart starts the server again on the same port with the same data,
// killing it first when it still runs.
func (r *RedisServer) Restart() {
	r.t.Helper()
	r.Kill()
	if err := r.start(); err != nil {
		r.t.Fatalf("restart Redis: %v", err)
	}
}

// Wipe kills the server and starts an empty one on the same port: what a lost
// disk does.
func (r *RedisServer) Wipe() {
	r.t.Helper()
	r.Kill()
	for _, name := range []string{"appendonlydir", "dump.rdb", "appendonly.aof"} {
		if err := os.RemoveAll(filepath.Join(r.dir, name)); err != nil {
			r.t.Fatalf("wipe Redis: %v", err)
		}
	}
	r.Restart()
}

// Flush removes all keys (FLUSHALL).
func (r *RedisServer) Flush() {
	r.t.Helper()
	if err := r.do("FLUSHALL", "+OK"); err != nil {
		r.t.Fatalf("flush Redis: %v", err)
	}
}
