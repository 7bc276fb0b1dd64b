package daemon_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/daemon"
	"paragon/engine/queue"
	"paragon/engine/servicetest"
	"paragon/engine/store/postgres"
	"paragon/schema/api"
)

// readiness asks /readyz.
func (d *dev) readiness() (status int, r api.Readiness) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, "http://"+d.Addr().String()+"/readyz", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		d.t.Fatalf("/readyz: %v: %s", err, text)
	}
	return resp.StatusCode, r
}

// Every reason of /readyz is given when what it names is broken, and no longer
// once that is mended. What is not required leaves the process ready.
func TestReasonsOfReadiness(t *testing.T) {
	t.Parallel()
	sql := servicetest.StartPostgres(t, servicetest.PostgresOptions{})
	db, err := postgres.Open(t.Context(), sql.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := servicetest.StartRedis(t, servicetest.RedisOptions{Args: []string{"--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024",
		"--enable-protected-configs", "yes", "--save", ""}})
	rdb, err := queue.NewRedis("redis://:any@"+server.Addr, queue.RedisOptions{}) // while Redis asks for no password any will do
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	storage := servicetest.StartS3(t)
	d, _ := startServed(t, io.Discard, nil, keptIn(t, storage), func(o *daemon.Options) { o.Store, o.Redis = db, rdb })
	hand := redis.NewClient(&redis.Options{Addr: server.Addr, PoolSize: 1}) // stays logged in
	t.Cleanup(func() { _ = hand.Close() })
	do := func(args ...any) {
		t.Helper()
		if err := hand.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	dir := hand.ConfigGet(t.Context(), "dir").Val()["dir"]
	if status, r := d.readiness(); status != http.StatusOK || r.Status != "ok" || len(r.Checks) != 7 {
		t.Fatalf("at first %d %+v; want all seven checks", status, r)
	}
	inTheWay := func(key string) (broken, mended func()) { // a key of another kind
		return func() { do("SET", key, "in the way") }, func() { do("DEL", key) }
	}
	noBeat, beat := inTheWay("paragon:{workers}:alive")
	noCron, cron := inTheWay("paragon:{cron}:marks")
	for _, tt := range []struct {
		check, says   string
		required      bool
		broken, mends func()
	}{
		{"redis", "point --redis to the primary", true, func() { do("REPLICAOF", "127.0.0.1", "1") }, func() { do("REPLICAOF", "NO", "ONE") }},
		{"redis", "raise its maxmemory", true, func() { do("CONFIG", "SET", "maxmemory", "1") }, func() { do("CONFIG", "SET", "maxmemory", "0") }},
		{"redis", "(min-replicas-to-write)", true, func() { do("CONFIG", "SET", "min-replicas-to-write", "1") }, func() { do("CONFIG", "SET", "min-replicas-to-write", "0") }},
		{"redis", "see whether that is full", true, func() {
			do("CONFIG", "SET", "dir", "/proc", "save", "3600 1")
			do("BGSAVE")
		}, func() { do("CONFIG", "SET", "dir", dir, "save", "") }},
		{"redis", "may not write", true, func() { do("ACL", "SETUSER", "default", "-set") }, func() { do("ACL", "SETUSER", "default", "+@all") }},
		{"redis", "user and password", true, func() {
			do("CONFIG", "SET", "requirepass", "another")
			do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		}, func() { do("CONFIG", "SET", "requirepass", "") }},
		{"redis", "no answer from Redis", true, server.Pause, server.Resume},
		{"redis", "no answer from Redis", true, server.Kill, server.Restart},
		{"worker", "others take its runs", false, noBeat, beat},
		{"scheduler", "they are made up for", false, noCron, cron},
		{"payloads", "object storage", false, func() { storage.Cut(true) }, func() { storage.Cut(false) }},
		{"store", "their history waits in Redis", false, sql.Kill, sql.Restart},
		{"log", "waits in Redis", false, func() {
			sql.Kill()
			if _, err := d.Trigger(t.Context(), "logs", api.TriggerRequest{}, 30*time.Second); err != nil {
				t.Fatal(err)
			}
		}, sql.Restart},
	} {
		if tt.check == "log" {
			d.apply("logs", "steps: [{id: a, set: {x: 1}}]")
		}
		tt.broken()
		soon(t, tt.check+" says: "+tt.says, func() bool {
			status, r := d.readiness()
			c := r.Checks[tt.check]
			return !c.OK && c.Required == tt.required && strings.Contains(c.Error, tt.says) && (status == http.StatusServiceUnavailable) == tt.required
		})
		tt.mends()
		soon(t, tt.check+" is well again", func() bool {
			status, r := d.readiness()
			return status == http.StatusOK && r.Checks[tt.check].OK
		})
	}

	// While it reads its data Redis answers, with an error.
	pipe := hand.Pipeline()
	for i := range 2000 {
		pipe.Set(t.Context(), "ballast"+itoa(i), strings.Repeat("x", 4096), 0)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	do("CONFIG", "SET", "key-load-delay", "2000")
	reloaded := make(chan error, 1)
	go func() {
		slow := redis.NewClient(&redis.Options{Addr: server.Addr, ReadTimeout: time.Minute})
		defer slow.Close()
		reloaded <- slow.Do(context.WithoutCancel(t.Context()), "DEBUG", "RELOAD").Err()
	}()
	soon(t, "redis says that it is loading", func() bool {
		_, r := d.readiness()
		return strings.Contains(r.Checks["redis"].Error, "still reading its data")
	})
	if err := <-reloaded; err != nil {
		t.Fatal(err)
	}
}

// A process has the checks of its roles alone.
func TestReadinessByRole(t *testing.T) {
	var base daemon.Options
	startServed(t, io.Discard, nil, func(o *daemon.Options) { base = *o })
	for role, want := range map[daemon.Role]string{
		daemon.RoleAPI: "configuration redis store", daemon.RoleWorker: "configuration redis worker",
		daemon.RoleScheduler: "configuration redis scheduler", daemon.RoleFlusher: "configuration log redis store",
	} {
		d, stop := startRole(t, base, role)
		status, r := d.readiness()
		if got := strings.Join(slices.Sorted(maps.Keys(r.Checks)), " "); status != http.StatusOK || got != want {
			t.Errorf("a %s is asked for %q: %d %+v; want %q", role, got, status, r, want)
		}
		stop(context.WithoutCancel(t.Context()))
	}

	// In a Redis where no configuration was ever published, a worker has none.
	empty, err := queue.NewRedis("redis://"+base.Redis.(*redis.Client).Options().Addr+"/1", queue.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	o := base
	o.Redis = empty
	d, stop := startRole(t, o, daemon.RoleWorker)
	if status, r := d.readiness(); status != http.StatusServiceUnavailable || r.Status != "unavailable" || r.Checks["configuration"].OK || r.Checks["configuration"].Error == "" {
		t.Errorf("without configuration: %d %+v", status, r)
	}
	stop(context.WithoutCancel(t.Context()))

	// One that is about to stop says so, and answers for a while.
	o = base
	o.Linger = time.Minute
	d, _ = startRole(t, o, daemon.RoleAPI)
	ctx, enough := context.WithCancel(context.WithoutCancel(t.Context()))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = d.Daemon.Stop(ctx)
	}()
	soon(t, "it says that it drains", func() bool {
		status, r := d.readiness()
		return status == http.StatusServiceUnavailable && r.Status == "draining" && r.Checks["redis"].OK
	})
	enough()
	<-stopped
}

// startRole starts a process of one role beside another one.
func startRole(t *testing.T, o daemon.Options, role daemon.Role) (d *dev, stop func(context.Context)) {
	t.Helper()
	if o.Roles = []daemon.Role{role}; !o.NeedsStore() {
		o.Store = nil
	}
	var err error
	if o.Listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	started, err := daemon.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return &dev{Dev: &daemon.Dev{Daemon: started}, t: t}, func(ctx context.Context) {
		if err := started.Stop(ctx); err != nil {
			t.Errorf("stop a %s: %v", role, err)
		}
	}
}
