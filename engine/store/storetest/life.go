package storetest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema"
)

func testMigrate(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	must(t, s.Ping(ctx))
	err := s.CheckSchema(ctx)
	wantError(t, err, store.ErrSchema)
	if !strings.Contains(err.Error(), "paragond migrate") {
		t.Errorf("the error does not name the command to run: %v", err)
	}
	_, err = s.ConfigVersion(ctx)
	wantError(t, err, store.ErrSchema)
	must(t, s.Migrate(ctx))
	must(t, s.CheckSchema(ctx))
	must(t, s.Migrate(ctx)) // again changes nothing
	must(t, s.CheckSchema(ctx))
	if v := got(s.ConfigVersion(ctx))(t); v != 0 {
		t.Errorf("a new store is at version %d", v)
	}
	snap := got(s.LoadConfig(ctx))(t)
	equal(t, "its lineage", snap.Lineage, got(s.ConfigLineage(ctx))(t))
	snap.Lineage = ""
	equal(t, "a new store's configuration", *snap, store.Snapshot{})
}

func testMigrateConcurrently(t *testing.T, open opener) {
	s := open(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := s.Migrate(t.Context()); err != nil {
				t.Errorf("one of several migrations at once: %v", err)
			}
		})
	}
	wg.Wait()
	must(t, s.CheckSchema(t.Context()))
}

// calls has every method that talks to the database.
var calls = map[string]func(context.Context, store.Store) error{
	"Update": func(ctx context.Context, s store.Store) error {
		_, err := s.Update(ctx, project, func(tx store.ConfigTx) error {
			_, err := tx.Put(ctx, resource(schema.KindWorkflow, "w", `{}`))
			return err
		})
		return err
	},
	"ConfigVersion": func(ctx context.Context, s store.Store) error { _, err := s.ConfigVersion(ctx); return err },
	"ConfigLineage": func(ctx context.Context, s store.Store) error { _, err := s.ConfigLineage(ctx); return err },
	"LoadConfig":    func(ctx context.Context, s store.Store) error { _, err := s.LoadConfig(ctx); return err },
	"Resource": func(ctx context.Context, s store.Store) error {
		_, err := s.Resource(ctx, project, schema.Ref{Kind: schema.KindWorkflow, Name: "w"})
		return err
	},
	"Resources": func(ctx context.Context, s store.Store) error {
		_, err := s.Resources(ctx, project, schema.KindWorkflow, "", 0)
		return err
	},
	"Revisions": func(ctx context.Context, s store.Store) error {
		_, err := s.Revisions(ctx, project, schema.Ref{Kind: schema.KindWorkflow, Name: "w"}, 0)
		return err
	},
	"Revision": func(ctx context.Context, s store.Store) error {
		_, err := s.Revision(ctx, project, schema.Ref{Kind: schema.KindWorkflow, Name: "w"}, 1)
		return err
	},
	"Releases": func(ctx context.Context, s store.Store) error { _, err := s.Releases(ctx, project, 0, 0); return err },
	"Release":  func(ctx context.Context, s store.Store) error { _, err := s.Release(ctx, project, "v1"); return err },
	"Audit": func(ctx context.Context, s store.Store) error {
		_, err := s.Audit(ctx, store.AuditQuery{Project: project})
		return err
	},
	"TouchKeys": func(ctx context.Context, s store.Store) error {
		return s.TouchKeys(ctx, map[string]time.Time{"k": epoch})
	},
	"Accept": func(ctx context.Context, s store.Store) error {
		return s.Accept(ctx, []store.AcceptedRun{{ID: runID(epoch, 0), Project: project, Workflow: "w", CreatedAt: epoch}})
	},
	"Accepted": func(ctx context.Context, s store.Store) error { _, err := s.Accepted(ctx, "", 0); return err },
	"AcceptedByKey": func(ctx context.Context, s store.Store) error {
		_, err := s.AcceptedByKey(ctx, project, "w", "k")
		return err
	},
	"WriteLog": func(ctx context.Context, s store.Store) error {
		_, err := s.WriteLog(ctx, store.LogBatch{Stream: "s", To: "1", Runs: []schema.Run{endedRun(epoch, 0, schema.RunSucceeded)}})
		return err
	},
	"FenceLog":    func(ctx context.Context, s store.Store) error { return s.FenceLog(ctx, []string{"s"}) },
	"LogPosition": func(ctx context.Context, s store.Store) error { _, err := s.LogPosition(ctx, "s"); return err },
	"Run": func(ctx context.Context, s store.Store) error {
		_, err := s.Run(ctx, project, runID(epoch, 0))
		return err
	},
	"ListRuns": func(ctx context.Context, s store.Store) error {
		_, err := s.ListRuns(ctx, store.RunQuery{Project: project})
		return err
	},
	"Steps": func(ctx context.Context, s store.Store) error {
		_, err := s.Steps(ctx, project, runID(epoch, 0))
		return err
	},
	"ListProxyCalls": func(ctx context.Context, s store.Store) error {
		_, err := s.ListProxyCalls(ctx, store.ProxyCallQuery{Project: project})
		return err
	},
	"DeleteRuns": func(ctx context.Context, s store.Store) error {
		_, err := s.DeleteRuns(ctx, project, epoch)
		return err
	},
	"CheckSchema": func(ctx context.Context, s store.Store) error { return s.CheckSchema(ctx) },
	"Migrate":     func(ctx context.Context, s store.Store) error { return s.Migrate(ctx) },
	"Ping":        func(ctx context.Context, s store.Store) error { return s.Ping(ctx) },
}

func testClose(t *testing.T, open opener) {
	s := migrated(t, open)
	must(t, s.Close())
	must(t, s.Close()) // twice is once
	for name, call := range calls {
		t.Run(name, func(t *testing.T) { wantError(t, call(t.Context(), s), store.ErrClosed) })
	}
}

func testCancel(t *testing.T, open opener) {
	s := migrated(t, open)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls {
		t.Run(name, func(t *testing.T) { wantError(t, call(canceled, s), context.Canceled) })
	}
	if v := got(s.ConfigVersion(t.Context()))(t); v != 0 {
		t.Errorf("a canceled update counted: version %d", v)
	}
	// Canceled in the middle: the update rolls back and the store goes on.
	middle, cancel := context.WithCancel(t.Context())
	_, err := s.Update(middle, project, func(tx store.ConfigTx) error {
		if _, err := tx.Put(middle, resource(schema.KindWorkflow, "w", `{}`)); err != nil {
			return err
		}
		cancel()
		return nil
	})
	wantError(t, err, context.Canceled)
	_, err = s.Resource(t.Context(), project, schema.Ref{Kind: schema.KindWorkflow, Name: "w"})
	wantError(t, err, store.ErrNotFound)
	if v := put(t, s, resource(schema.KindWorkflow, "w", `{}`)); v != 1 {
		t.Errorf("the first change made version %d", v)
	}
}
