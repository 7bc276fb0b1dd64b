package users

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/config"
	"paragon/engine/seal"
	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/engine/store/sqlite"
	"paragon/schema/api"
)

func TestMain(m *testing.M) { servicetest.Main(m) }

const project = "default"

var ada = Actor{Name: "ada", From: "192.0.2.7"}

// rig is a store and a Redis, with the books and services of several processes.
type rig struct {
	t      testing.TB
	db     store.Store
	server *servicetest.RedisServer
	rdb    redis.UniversalClient
	cache  *cache.Cache
	config *config.Service
	log    *lockedBuffer

	mu  sync.Mutex
	now time.Time
}

func newRig(t testing.TB) *rig {
	t.Helper()
	ctx := context.Background()
	r := &rig{t: t, now: time.Unix(1_800_000_000, 0), log: &lockedBuffer{}, server: servicetest.StartRedis(t, servicetest.RedisOptions{Volatile: true})}
	var err error
	r.db, err = sqlite.Open(ctx, filepath.Join(t.TempDir(), "store.db"))
	r.must(err)
	t.Cleanup(func() { _ = r.db.Close() })
	r.must(r.db.Migrate(ctx))
	r.rdb = r.client()
	master, err := seal.NewLocalMaster(bytes.Repeat([]byte{1}, 32))
	r.must(err)
	keys, quiet := seal.NewKeyring(master), slog.New(slog.DiscardHandler)
	r.config = config.New(config.Options{Store: r.db, Redis: r.rdb, Keyring: keys, Log: quiet})
	r.must(r.config.Reconcile(ctx))
	for _, p := range []string{project, "elsewhere"} {
		r.must(r.config.EnsureProject(ctx, p))
	}
	r.cache = cache.New(r.rdb, cache.Options{Keyring: keys, Log: quiet})
	r.must(r.cache.Start(ctx))
	t.Cleanup(func() { r.cache.Stop(ctx) })
	return r
}

func (r *rig) client() redis.UniversalClient {
	c := redis.NewClient(&redis.Options{Addr: r.server.Addr})
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// book is the book of one more process, which follows the changes.
func (r *rig) book() *Book {
	r.t.Helper()
	b := NewBook(BookOptions{Redis: r.client(), Config: r.cache, Log: slog.New(slog.NewTextHandler(r.log, nil)), Now: r.clock})
	r.must(b.Start(context.Background()))
	r.t.Cleanup(func() { b.Stop(context.Background()) })
	return b
}

// service is that of a process with the role api, on a book of its own. It does
// nothing by itself: Reconcile is called.
func (r *rig) service(change ...func(*Options)) *Service {
	r.t.Helper()
	o := Options{Store: r.db, Book: r.book()}
	for _, f := range change {
		f(&o)
	}
	s := NewService(o)
	r.must(s.Reconcile(context.Background()))
	return s
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// soon waits until a condition holds, which must do so by itself.
func (r *rig) soon(what string, holds func() bool) {
	r.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			r.t.Fatalf("%s: not in 20 s", what)
		}
	}
}

func (r *rig) user(s *Service, id string) {
	r.t.Helper()
	_, _, err := s.PutUser(context.Background(), ada, project, id, api.PutUserRequest{})
	r.must(err)
}

// lockedBuffer is a buffer for many writers.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
