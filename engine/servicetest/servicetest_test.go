package servicetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// orphanEnv makes the test binary a process that starts servers, prints where
// they are and waits to be killed.
const orphanEnv = "SERVICETEST_ORPHAN"

func TestMain(m *testing.M) { Main(m) }

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var text string
	if err := conn.QueryRow(context.Background(), sql).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}

func TestPostgresGivesEachTestItsOwnDatabase(t *testing.T) {
	t.Parallel()
	a, b := Postgres(t), Postgres(t)
	if a == b {
		t.Fatalf("two databases have one URL: %s", a)
	}
	conn, err := pgx.Connect(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), "CREATE TABLE only_in_a (n int)"); err != nil {
		t.Fatal(err)
	}
	if got := query(t, b, "SELECT count(*)::text FROM pg_tables WHERE tablename = 'only_in_a'"); got != "0" {
		t.Errorf("the second database sees the table of the first")
	}
}

func TestPostgresReplicaTakesOver(t *testing.T) {
	t.Parallel()
	p := StartPostgres(t, PostgresOptions{})
	r := p.Replica(true)
	exec := func(url, sql string) error {
		conn, err := pgx.Connect(context.Background(), url)
		if err != nil {
			return err
		}
		defer conn.Close(context.Background())
		_, err = conn.Exec(context.Background(), sql)
		return err
	}
	if err := exec(p.Both(r), "CREATE TABLE kept AS SELECT 'yes' AS v"); err != nil {
		t.Fatal(err)
	}
	if err := exec(r.URL, "CREATE TABLE refused (n int)"); err == nil {
		t.Error("a replica takes writes")
	}
	p.Kill()
	r.Promote()
	if got := query(t, p.Both(r), "SELECT v FROM kept"); got != "yes" {
		t.Errorf("got %q", got)
	}
	if err := exec(p.Both(r), "CREATE TABLE taken (n int)"); err != nil {
		t.Error(err)
	}
}

func TestPostgresServerKeepsCommitsOverKillAndRestart(t *testing.T) {
	t.Parallel()
	p := StartPostgres(t, PostgresOptions{Durable: true, Settings: map[string]string{"max_connections": "17"}})
	if got := query(t, p.URL, "SHOW max_connections"); got != "17" {
		t.Errorf("max_connections is %s", got)
	}
	conn, err := pgx.Connect(context.Background(), p.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), "CREATE TABLE kept AS SELECT 'yes' AS v"); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	if _, err := conn.Exec(context.Background(), "SELECT 1"); err == nil {
		t.Error("a connection survived the kill")
	}
	if _, err := pgx.Connect(context.Background(), p.URL); err == nil {
		t.Error("a killed server takes connections")
	}
	p.Restart()
	if got := query(t, p.URL, "SELECT v FROM kept"); got != "yes" {
		t.Errorf("got %q", got)
	}
	p.Stop()
	p.Restart()
	if got := query(t, p.URL, "SELECT v FROM kept"); got != "yes" {
		t.Errorf("got %q", got)
	}
}

func TestRedisServer(t *testing.T) {
	t.Parallel()
	r := StartRedis(t, RedisOptions{})
	must := func(command, want string) {
		t.Helper()
		if err := r.do(command, want); err != nil {
			t.Fatal(err)
		}
	}
	must("SET k v", "+OK")
	r.Kill()
	if err := r.do("PING", "+PONG"); err == nil {
		t.Error("a killed server answers")
	}
	r.Restart()
	must("EXISTS k", ":1")
	r.Flush()
	must("EXISTS k", ":0")
	must("SET k v", "+OK")
	r.Wipe()
	must("EXISTS k", ":0")

	r.Pause()
	conn, err := net.Dial("tcp", r.Addr)
	if err != nil {
		t.Fatalf("a paused server still takes connections in its backlog: %v", err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "PING\r\n")
	conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a paused server answered: %v", err)
	}
	r.Resume()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "+PONG\r\n" {
		t.Errorf("after Resume: %q, %v", line, err)
	}
}

func TestVolatileRedisRestartsEmpty(t *testing.T) {
	t.Parallel()
	r := StartRedis(t, RedisOptions{Volatile: true, Args: []string{"--maxmemory-policy", "noeviction"}})
	if err := r.do("SET k v", "+OK"); err != nil {
		t.Fatal(err)
	}
	r.Restart()
	if err := r.do("EXISTS k", ":0"); err != nil {
		t.Error(err)
	}
}

// TestServersDieWithAKilledProcess runs this test in a child process that is
// killed while its servers run.
func TestServersDieWithAKilledProcess(t *testing.T) {
	need(t, "postgres", "initdb", "redis-server")
	if os.Getenv(orphanEnv) != "" {
		p, r := StartPostgres(t, PostgresOptions{}), StartRedis(t, RedisOptions{})
		fmt.Printf("\nservers %s 127.0.0.1:%d %s %s\n", p.server.dir, p.server.port, r.dir, r.Addr)
		select {}
	}
	child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), orphanEnv+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var dirs, addrs [2]string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "servers ") {
			fmt.Sscanf(lines.Text(), "servers %s %s %s %s", &dirs[0], &addrs[0], &dirs[1], &addrs[1])
			break
		}
	}
	child.Process.Kill()
	child.Wait()
	if addrs[1] == "" {
		t.Fatal("the child did not start its servers")
	}
	deadline := time.Now().Add(20 * time.Second)
	for i, dir := range dirs {
		for {
			_, err := os.Stat(dir)
			conn, dialErr := net.Dial("tcp", addrs[i])
			if dialErr == nil {
				conn.Close()
			}
			if errors.Is(err, os.ErrNotExist) && dialErr != nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the server at %s outlived its test process (directory: %v)", addrs[i], err)
			}
			time.Sleep(10 * time.Millisecond) // another process's end sends no signal to wait for
		}
	}
}

// recorder catches what a test would have been told.
type recorder struct{ testing.TB }

func (r *recorder) Helper() {}
func (r *recorder) Skipf(format string, args ...any) {
	panic("skip: " + fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) {
	panic("fatal: " + fmt.Sprintf(format, args...))
}

func TestMissingBinary(t *testing.T) {
	for _, test := range []struct{ env, want string }{
		{"", "skip: no-such-server is not installed: run `make services` to test with real servers"},
		{"required", "fatal: no-such-server is not installed, and PARAGON_TEST_SERVICES=required: run `make services`"},
	} {
		t.Setenv(RequiredEnv, test.env)
		func() {
			defer func() {
				if got := recover(); got != test.want {
					t.Errorf("with %q: got %v, want %s", test.env, got, test.want)
				}
			}()
			need(&recorder{TB: t}, "no-such-server")
		}()
	}
}
