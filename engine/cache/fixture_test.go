package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"paragon/engine/seal"
	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/schema"
)

// onBoth runs a test on an in-process Redis and on a real one.
func onBoth(t *testing.T, f func(t *testing.T, rdb redis.UniversalClient)) {
	t.Run("miniredis", func(t *testing.T) {
		f(t, client(t, miniredis.RunT(t).Addr()))
	})
	t.Run("redis", func(t *testing.T) {
		f(t, client(t, servicetest.Redis(t)))
	})
}

func client(t testing.TB, addr string) redis.UniversalClient {
	c := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// fixture is a configuration that a test changes and publishes.
type fixture struct {
	t    testing.TB
	rdb  redis.UniversalClient
	keys *seal.Keyring
	data *seal.DataKey
	snap *store.Snapshot
}

func newFixture(t testing.TB, rdb redis.UniversalClient) *fixture {
	m, err := seal.NewLocalMaster(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, rdb: rdb, keys: seal.NewKeyring(m), snap: &store.Snapshot{Version: 1}}
	wrapped, err := f.keys.NewDataKey(context.Background(), "default")
	if err != nil {
		t.Fatal(err)
	}
	if f.data, err = f.keys.DataKey(context.Background(), "default", wrapped); err != nil {
		t.Fatal(err)
	}
	f.snap.Projects = []store.Project{{Name: "default", DataKey: wrapped, Settings: json.RawMessage(`{}`)}}
	return f
}

func (f *fixture) workflow(name string, rev int64, message string) store.Resource {
	spec := fmt.Sprintf(`{"steps":[{"fail":{"message":%q},"id":"stop"}]}`, message)
	return store.Resource{Project: "default", Kind: schema.KindWorkflow, Metadata: schema.Metadata{Name: name},
		Spec: json.RawMessage(spec), Digest: fmt.Sprintf("%x", sha256.Sum256([]byte(spec))), Revision: rev}
}

func (f *fixture) secret(name string, rev int64, value string) store.Resource {
	sealed, err := f.data.Seal([]byte(value), SecretPlace(name)...)
	if err != nil {
		f.t.Fatal(err)
	}
	spec, _ := json.Marshal(secretSpec{Sealed: sealed})
	return store.Resource{Project: "default", Kind: schema.KindSecret, Metadata: schema.Metadata{Name: name},
		Spec: spec, Digest: f.data.Digest([]byte(value), name), Revision: rev}
}

func (f *fixture) key(id, token string) store.Key {
	h := sha256.Sum256([]byte(token))
	return store.Key{ID: id, Project: "default", Name: "key " + id, Role: "viewer", Hash: h[:]}
}

func (f *fixture) publish() {
	f.t.Helper()
	if err := Publish(context.Background(), f.rdb, f.snap); err != nil {
		f.t.Fatal(err)
	}
}

// cache starts a cache that is polled by the test alone, unless poll is set.
func (f *fixture) cache(poll time.Duration) *Cache {
	f.t.Helper()
	if poll == 0 {
		poll = time.Hour
	}
	c := New(f.rdb, Options{Keyring: f.keys, Poll: poll, Log: slog.New(slog.DiscardHandler)})
	if err := c.Start(context.Background()); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Stop(context.Background()) })
	return c
}

// changed returns a channel that gets a value after each change.
func changed(t testing.TB, c *Cache) <-chan struct{} {
	ch := make(chan struct{}, 100)
	t.Cleanup(c.Subscribe(func() { ch <- struct{}{} }))
	return ch
}

func await(t testing.TB, ch <-chan struct{}, c *Cache, version int64) {
	t.Helper()
	late := time.After(10 * time.Second)
	for c.Version() != version {
		select {
		case <-ch:
		case <-late:
			t.Fatalf("version is %d, want %d", c.Version(), version)
		}
	}
}

func failMessage(w *Workflow) string {
	if w == nil || w.Broken != nil || w.Spec == nil {
		return ""
	}
	return w.Spec.Steps[0].Fail.Message
}
