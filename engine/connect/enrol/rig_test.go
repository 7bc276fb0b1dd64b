package enrol

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/config"
	"paragon/engine/connect/users"
	"paragon/engine/seal"
	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/engine/store/sqlite"
	"paragon/schema/api"
)

func TestMain(m *testing.M) { servicetest.Main(m) }

const project = "default"

var ada = users.Actor{Name: "ada", From: "192.0.2.7"}

// rig is a store and a Redis with the users, their workflows, and a worker's
// view of both.
type rig struct {
	t      testing.TB
	db     store.Store
	rdb    redis.UniversalClient
	cache  *cache.Cache
	config *config.Service
	users  *users.Service
	enrol  *Service
	dir    *Directory

	mu      sync.Mutex
	stopped []string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	ctx := context.Background()
	r := &rig{t: t}
	server := servicetest.StartRedis(t, servicetest.RedisOptions{Volatile: true})
	var err error
	r.db, err = sqlite.Open(ctx, filepath.Join(t.TempDir(), "store.db"))
	r.must(err)
	t.Cleanup(func() { _ = r.db.Close() })
	r.must(r.db.Migrate(ctx))
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = client.Close() })
	r.rdb = client
	master, err := seal.NewLocalMaster(bytes.Repeat([]byte{1}, 32))
	r.must(err)
	keys, quiet := seal.NewKeyring(master), slog.New(slog.DiscardHandler)
	r.config = config.New(config.Options{Store: r.db, Redis: r.rdb, Keyring: keys, Log: quiet})
	r.must(r.config.Reconcile(ctx))
	r.must(r.config.EnsureProject(ctx, project))
	r.cache = cache.New(r.rdb, cache.Options{Keyring: keys, Log: quiet})
	r.must(r.cache.Start(ctx))
	t.Cleanup(func() { r.cache.Stop(ctx) })
	book := users.NewBook(users.BookOptions{Redis: r.rdb, Config: r.cache, Log: quiet})
	r.must(book.Start(ctx))
	t.Cleanup(func() { book.Stop(ctx) })
	r.enrol = NewService(Options{Store: r.db, Redis: r.rdb, Config: r.cache, Log: quiet, Poll: 20 * time.Millisecond, Stop: r.stop})
	r.users = users.NewService(users.Options{Store: r.db, Book: book, Changed: r.enrol.Changed})
	r.must(r.users.Reconcile(ctx))
	r.dir = NewDirectory(r.rdb, book)
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) stop(_ context.Context, _, user, workflow string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = append(r.stopped, user+"/"+workflow)
	return nil
}

// ended are the users, with a workflow or none, whose runs were ended since the
// last call.
func (r *rig) ended() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := strings.Join(r.stopped, " ")
	r.stopped = nil
	return out
}

// apply applies a workflow with users, given as the lines of its spec, waits
// until the cache has it, and judges the users.
func (r *rig) apply(name, spec string) *cache.Workflow {
	r.t.Helper()
	text := "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: " + name + "}\nspec:\n" + spec + "  steps: [{id: a, set: {b: 1}}]\n"
	_, err := r.config.Apply(r.t.Context(), config.System, project, api.ApplyRequest{Files: []api.File{{Name: "w.yaml", Content: text}}}, config.ApplyOptions{})
	r.must(err)
	version, err := r.db.ConfigVersion(r.t.Context())
	r.must(err)
	r.cache.Await(r.t.Context(), version)
	r.must(r.enrol.Fill(r.t.Context()))
	return r.cache.Project(project).Workflow(name)
}

func (r *rig) user(id, meta string) {
	r.t.Helper()
	_, _, err := r.users.PutUser(r.t.Context(), ada, project, id, api.PutUserRequest{Meta: []byte(meta)})
	r.must(err)
}

func (r *rig) choose(id, workflow string, enabled bool, settings string) error {
	_, err := r.enrol.Put(r.t.Context(), ada, project, id, workflow, api.PutUserWorkflowRequest{Enabled: &enabled, Settings: []byte(settings)})
	return err
}

// have are the ids of those who have a workflow, sorted.
func (r *rig) have(wf *cache.Workflow) string {
	r.t.Helper()
	page, err := r.dir.Page(r.t.Context(), wf, 0, Slots, 1000)
	r.must(err)
	ids := make([]string, 0, len(page.Users))
	for _, u := range page.Users {
		ids = append(ids, u.ID)
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

func (r *rig) expect(what, got, want string) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("%s: %q, want %q", what, got, want)
	}
}
