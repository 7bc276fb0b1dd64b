package bench_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"paragon/engine/daemon"
	"paragon/engine/httpapi"
	"paragon/engine/outbound"
	"paragon/engine/queue"
	"paragon/engine/seal"
	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/engine/store/postgres"
	"paragon/schema/api"
	"paragon/workflows"
	"paragon/workflows/steps"
)

func TestMain(m *testing.M) {
	daemon.TuneMemory()
	if of := os.Getenv(workerEnv); of != "" {
		os.Exit(runWorker(of))
	}
	flag.Parse()
	servicetest.Main(reporting{m})
}

// reporting runs the tests, then prints what they measured.
type reporting struct{ *testing.M }

func (r reporting) Run() int {
	code := r.M.Run()
	printFigures()
	return code
}

func timersKey(lane int) string { return queue.TimersKey(lane) }

// lanes is how many lanes most figures are measured with.
const lanes = 4

// world is a Redis (AOF everysec), a Postgres (fsync on) and what connects to
// them.
type world struct {
	t       testing.TB
	redis   *servicetest.RedisServer
	rdb     redis.UniversalClient
	pgURL   string
	pg      *pgxpool.Pool
	keyFile string
	keyring *seal.Keyring
	lanes   int
	token   string
	// performer performs the function steps; nil does nothing.
	performer steps.Performer
	// limits are those of what comes in, outbound those of what leaves.
	limits   httpapi.Limits
	outbound outbound.Settings
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, lanes: lanes, keyFile: filepath.Join(t.TempDir(), "key")}
	w.redis = servicetest.StartRedis(t, servicetest.RedisOptions{})
	w.pgURL = servicetest.StartPostgres(t, servicetest.PostgresOptions{Durable: true}).URL
	var err error
	w.rdb, err = queue.NewRedis("redis://"+w.redis.Addr, queue.RedisOptions{})
	must(t, err)
	t.Cleanup(func() { _ = w.rdb.Close() })
	// As docs/operate.md advises: by default Redis begins to rewrite its
	// append-only file anew at each doubling from 64 MB, which a test of a minute
	// would measure instead of what it means to. It goes for the floors, too.
	must(t, w.rdb.ConfigSet(t.Context(), "auto-aof-rewrite-min-size", "4gb").Err())
	must(t, w.rdb.ConfigSet(t.Context(), "hash-max-listpack-value", "1024").Err())

	w.pg, err = pgxpool.New(t.Context(), w.pgURL)
	must(t, err)
	t.Cleanup(w.pg.Close)
	w.keyring, err = seal.LoadKeyring(seal.Source{File: w.keyFile, Generate: true})
	must(t, err)
	db := w.openStore()
	must(t, db.Migrate(t.Context()))
	return w
}

func (w *world) openStore() store.Store {
	w.t.Helper()
	db, err := postgres.Open(w.t.Context(), w.pgURL)
	must(w.t, err)
	w.t.Cleanup(func() { _ = db.Close() })
	return db
}

// noop is a step that does nothing outside.
type noop struct{}

func (noop) Perform(context.Context, steps.Call) steps.Outcome {
	return steps.Outcome{Result: json.RawMessage(`null`)}
}

// start starts a process of roles in this one.
func (w *world) start(roles ...daemon.Role) *daemon.Daemon {
	w.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(w.t, err)
	rdb, err := queue.NewRedis("redis://"+w.redis.Addr, queue.RedisOptions{})
	must(w.t, err)
	level := slog.LevelWarn
	if os.Getenv("PARAGON_BENCH_LOG") != "" {
		level = slog.LevelInfo
	}
	var performer steps.Performer = noop{}
	if w.performer != nil {
		performer = w.performer
	}
	d, err := daemon.Start(w.t.Context(), daemon.Options{
		Roles: roles, Store: w.openStore(), Redis: rdb, Lanes: w.lanes, Keyring: w.keyring, Listener: ln,
		Performers: map[workflows.StepKind]steps.Performer{workflows.StepFunction: performer},
		Limits:     w.limits, Outbound: w.outbound,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	})
	must(w.t, err)
	w.t.Cleanup(func() { w.stop(d); _ = rdb.Close() })
	return d
}

func (w *world) stop(d *daemon.Daemon) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.Stop(ctx); err != nil {
		w.t.Errorf("stop: %v", err)
	}
}

// client is an API client with an owner's key.
func (w *world) client(d *daemon.Daemon) *api.Client {
	w.t.Helper()
	if w.token == "" {
		token, err := d.Bootstrap(w.t.Context())
		must(w.t, err)
		w.token = token
	}
	return api.New("http://"+d.Addr().String(), w.token)
}

// rows counts the rows of a table.
func (w *world) rows(table string) (n int) {
	w.t.Helper()
	must(w.t, w.pg.QueryRow(w.t.Context(), fmt.Sprintf("SELECT count(*) FROM %s", table)).Scan(&n))
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
