package destination

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"paragon/engine/cache"
	"paragon/engine/config"
	"paragon/engine/notice"
	"paragon/engine/outbound"
	"paragon/engine/seal"
	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/engine/store/sqlite"
	"paragon/schema"
	"paragon/workflows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a Redis with configuration and a clock that the test moves.
type rig struct {
	t    *testing.T
	addr string
	rdb  redis.UniversalClient
	keys *seal.Keyring
	data *seal.DataKey
	snap *store.Snapshot

	mu  sync.Mutex
	now time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	master, err := seal.NewLocalMaster(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, keys: seal.NewKeyring(master), now: time.Now()}
	r.addr = servicetest.Redis(t)
	rdb := redis.NewClient(&redis.Options{Addr: r.addr})
	t.Cleanup(func() { _ = rdb.Close() })
	r.rdb = rdb
	wrapped, err := r.keys.NewDataKey(t.Context(), schema.DefaultProject)
	if err != nil {
		t.Fatal(err)
	}
	if r.data, err = r.keys.DataKey(t.Context(), schema.DefaultProject, wrapped); err != nil {
		t.Fatal(err)
	}
	r.snap = &store.Snapshot{Version: 1, Projects: []store.Project{{Name: schema.DefaultProject, DataKey: wrapped}}}
	return r
}

func (r *rig) time() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// apply publishes documents and secrets with what is there.
func (r *rig) apply(documents string, secrets map[string]string) *cache.Cache {
	r.t.Helper()
	docs, found := workflows.Parse(workflows.Source{File: "test.yaml", Data: []byte(documents)})
	if found.HasErrors() {
		r.t.Fatal(found)
	}
	add := func(kind schema.Kind, meta schema.Metadata, spec []byte) {
		sum := sha256.Sum256(spec)
		r.snap.Resources = append(r.snap.Resources, store.Resource{Project: schema.DefaultProject, Kind: kind, Metadata: meta,
			Spec: spec, Digest: hex.EncodeToString(sum[:]), Revision: 1})
	}
	for _, d := range docs {
		add(d.Resource.Kind, d.Resource.Metadata, d.Resource.Spec)
	}
	for name, value := range secrets {
		sealed, err := r.data.Seal([]byte(value), cache.SecretPlace(name)...)
		if err != nil {
			r.t.Fatal(err)
		}
		spec, err := json.Marshal(map[string]any{"sealed": sealed})
		if err != nil {
			r.t.Fatal(err)
		}
		add(schema.KindSecret, schema.Metadata{Name: name}, spec)
	}
	if err := cache.Publish(r.t.Context(), r.rdb, r.snap); err != nil {
		r.t.Fatal(err)
	}
	c := cache.New(r.rdb, cache.Options{Keyring: r.keys, Poll: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err := c.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Stop(context.Background()) })
	return c
}

// sender makes a sender that looks often.
func (r *rig) sender(c *cache.Cache, change func(*Options)) *Sender {
	r.t.Helper()
	client := outbound.New(outbound.Settings{AllowLoopback: true})
	r.t.Cleanup(client.Close)
	o := Options{Redis: r.rdb, Lanes: 2, Config: c, HTTP: client, Tick: 5 * time.Millisecond, Now: r.time}
	if change != nil {
		change(&o)
	}
	return NewSender(o)
}

func (r *rig) start(s *Sender) {
	r.t.Helper()
	s.Start(r.t.Context())
	r.t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			r.t.Errorf("stop: %v", err)
		}
	})
}

// fail notes so many failures of a workflow.
func (r *rig) fail(workflow string, n int) {
	r.t.Helper()
	for range n {
		err := notice.Note(r.t.Context(), r.rdb, notice.Notice{Project: schema.DefaultProject, Event: schema.EventRunFailed, Subject: workflow,
			Example: notice.Example{At: r.time(), Run: "r1", Message: "it broke: hunter2"}})
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// until waits until something holds.
func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(end) {
			r.t.Fatalf("never: %s", what)
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-r.t.Context().Done():
		}
	}
}

// hook is a webhook that answers as it is told.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []call
}

type call struct {
	header http.Header
	body   []byte
}

func newHook(t *testing.T) *hook {
	h := &hook{status: http.StatusOK}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got = append(h.got, call{r.Header, body})
		w.WriteHeader(h.status)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

func (h *hook) calls() []call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]call(nil), h.got...)
}

func (r *rig) service(c *cache.Cache) (*Service, store.Store) {
	r.t.Helper()
	db, err := sqlite.Open(r.t.Context(), r.t.TempDir()+"/paragon.db")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	// What it publishes is not for the cache of the test.
	aside := redis.NewClient(&redis.Options{Addr: r.addr, DB: 1})
	r.t.Cleanup(func() { _ = aside.Close() })
	svc := config.New(config.Options{Store: db, Redis: aside, Keyring: r.keys, Log: slog.New(slog.DiscardHandler)})
	if err := svc.EnsureProject(r.t.Context(), schema.DefaultProject); err != nil {
		r.t.Fatal(err)
	}
	return NewService(ServiceOptions{Redis: r.rdb, Config: c, Store: db, Tick: 5 * time.Millisecond, Now: r.time}), db
}
