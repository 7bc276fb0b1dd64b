package config

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/seal"
	"paragon/engine/servicetest"
	"paragon/engine/store/postgres"
	"paragon/schema/api"
)

// onPostgres is a service on a real Postgres and a real Redis, with its keys.
func onPostgres(t testing.TB) (*Service, redis.UniversalClient, *seal.Keyring) {
	t.Helper()
	return onPostgresAt(t, servicetest.Postgres(t), servicetest.Redis(t))
}

func onPostgresAt(t testing.TB, pgURL, redisAddr string) (*Service, redis.UniversalClient, *seal.Keyring) {
	t.Helper()
	ctx := context.Background()
	db, err := postgres.Open(ctx, pgURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: redisAddr})
	t.Cleanup(func() { _ = rdb.Close() })
	m, err := seal.NewLocalMaster(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	keys := seal.NewKeyring(m)
	svc := New(Options{Store: db, Redis: rdb, Keyring: keys, Log: slog.New(slog.DiscardHandler)})
	if err := svc.Reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	if err := svc.EnsureProject(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	return svc, rdb, keys
}

// fourWorkers are the caches of four workers that follow what is published.
func fourWorkers(t testing.TB, rdb redis.UniversalClient, keys *seal.Keyring) []*cache.Cache {
	t.Helper()
	ctx := context.Background()
	var workers []*cache.Cache
	for range 4 {
		c := cache.New(rdb, cache.Options{Keyring: keys, Log: slog.New(slog.DiscardHandler)})
		if err := c.Start(ctx); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Stop(ctx) })
		workers = append(workers, c)
	}
	return workers
}

// manyWorkflows is an apply of n workflows of a few steps each.
func manyWorkflows(n int, message string) api.ApplyRequest {
	req := api.ApplyRequest{Set: "many"}
	for i := range n {
		req.Files = append(req.Files, api.File{Name: fmt.Sprintf("w%d.yaml", i), Content: fmt.Sprintf(`apiVersion: paragon/v1
kind: Workflow
metadata: {name: w%d}
spec:
  input: {type: object, required: [email], properties: {email: {type: string}}}
  steps:
    - id: lookup
      request: {method: GET, url: "https://example.com/contacts", query: {email: "${{ input.email }}"}}
    - id: vars
      set: {total: "${{ steps.lookup.status }}", note: %q}
    - id: reply
      respond: {status: 200, body: {total: "${{ steps.vars.total }}"}}
`, i, message)})
	}
	return req
}

// A thousand workflows go in one apply, new, changed and as before.
func TestApplyAThousandWorkflows(t *testing.T) {
	svc, _, _ := onPostgres(t)
	for _, pass := range []struct{ name, message string }{{"new", "a"}, {"changed", "b"}, {"unchanged", "b"}} {
		start := time.Now()
		res, err := svc.Apply(context.Background(), alice, "default", manyWorkflows(1000, pass.message), ApplyOptions{})
		if err != nil {
			t.Fatal(explain(err))
		}
		t.Logf("%s: %v", pass.name, time.Since(start).Round(time.Millisecond))
		if len(res.Items) != 1000 || res.Changed != (pass.name != "unchanged") {
			t.Errorf("%s: %d items, changed %t", pass.name, len(res.Items), res.Changed)
		}
	}
}

// An applied change is used by every worker within a second: four caches follow
// one service, and each apply is timed from its call until the last of them has
// the revision. PARAGON_APPLIES sets how many applies are timed; make test takes
// few, the figure of the documentation is of 1,000.
func TestChangesReachFourWorkers(t *testing.T) {
	applies := 60
	if n, err := strconv.Atoi(os.Getenv("PARAGON_APPLIES")); err == nil {
		applies = n
	}
	svc, rdb, keys := onPostgres(t)
	ctx := context.Background()
	workers := fourWorkers(t, rdb, keys)
	took := make([]time.Duration, applies)
	for i := range took {
		start := time.Now()
		res, err := svc.Apply(ctx, alice, "default", api.ApplyRequest{Files: []api.File{{Name: "a.yaml", Content: workflow("one", fmt.Sprint(i))}}}, ApplyOptions{})
		if err != nil {
			t.Fatal(explain(err))
		}
		version, err := svc.store.ConfigVersion(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for n, c := range workers {
			c.Await(ctx, version)
			if w := c.Project("default").Workflow("one"); w == nil || w.Revision != res.Items[0].Revision {
				t.Fatalf("apply %d: worker %d has %+v, want revision %d", i, n, w, res.Items[0].Revision)
			}
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("%d applies: p50 %v, p99 %v, max %v until the last of four workers", applies, p50.Round(time.Microsecond), p99.Round(time.Microsecond), took[len(took)-1].Round(time.Microsecond))
	if p99 > time.Second {
		t.Errorf("p99 is %v", p99)
	}
}
