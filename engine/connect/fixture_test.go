package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/seal"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/workflows"
)

// configured is a cache that holds the documents, and a secret for each name.
func configured(t testing.TB, documents string, secrets map[string]string) *cache.Cache {
	t.Helper()
	master, err := seal.NewLocalMaster(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	ctx, keys := context.Background(), seal.NewKeyring(master)
	wrapped, err := keys.NewDataKey(ctx, schema.DefaultProject)
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.DataKey(ctx, schema.DefaultProject, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	snap := &store.Snapshot{Version: 1, Projects: []store.Project{{Name: schema.DefaultProject, DataKey: wrapped}}}
	docs, found := workflows.Parse(workflows.Source{File: "test.yaml", Data: []byte(documents)})
	if found.HasErrors() {
		t.Fatal(found)
	}
	for _, d := range docs {
		snap.Resources = append(snap.Resources, store.Resource{Project: schema.DefaultProject, Kind: d.Resource.Kind, Metadata: d.Resource.Metadata,
			Spec: d.Resource.Spec, Digest: d.Resource.Metadata.Name, Revision: 1})
	}
	for name, value := range secrets {
		sealed, err := key.Seal([]byte(value), cache.SecretPlace(name)...)
		if err != nil {
			t.Fatal(err)
		}
		spec, err := json.Marshal(map[string]any{"sealed": sealed})
		if err != nil {
			t.Fatal(err)
		}
		snap.Resources = append(snap.Resources, store.Resource{Project: schema.DefaultProject, Kind: schema.KindSecret,
			Metadata: schema.Metadata{Name: name}, Spec: spec, Digest: name, Revision: 1})
	}
	rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	if err := cache.Publish(ctx, rdb, snap); err != nil {
		t.Fatal(err)
	}
	c := cache.New(rdb, cache.Options{Keyring: keys, Poll: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop(context.Background()) })
	return c
}

// integration is the document of one.
func integration(name, spec string) string {
	return fmt.Sprintf("---\napiVersion: paragon/v1\nkind: Integration\nmetadata: {name: %s}\nspec: %s\n", name, spec)
}
