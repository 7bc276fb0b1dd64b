package config

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/cache"
	"paragon/engine/servicetest"
	"paragon/schema"
	"paragon/schema/api"
)

// applied applies one workflow, again and again while the store is away.
func applied(t *testing.T, svc *Service, name, message string) {
	t.Helper()
	late := time.Now().Add(time.Minute)
	for {
		_, err := svc.Apply(context.Background(), alice, "default",
			api.ApplyRequest{Files: []api.File{{Name: "a.yaml", Content: workflow(name, message)}}}, ApplyOptions{})
		if err == nil {
			return
		}
		var p *schema.Problem
		if !errors.As(err, &p) || p.Type != schema.ProblemUnavailable || time.Now().After(late) {
			t.Fatal(explain(err))
		}
	}
}

// awaitMessage waits until every worker has a workflow with the message; an
// empty one waits until it is gone.
func awaitMessage(t *testing.T, workers []*cache.Cache, name, message string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for n, c := range workers {
		changed := make(chan struct{}, 1)
		leave := c.Subscribe(func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
		for {
			got := ""
			if w := c.Project("default").Workflow(name); w != nil {
				got = w.Spec.Steps[0].Fail.Message
			}
			if got == message {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				t.Fatalf("worker %d has %q for %s at version %d; want %q", n, got, name, c.Version(), message)
			}
		}
		leave()
	}
}

// A replica that takes over may lack the last changes, and give their numbers
// to others: the workers follow it all the same.
func TestReplicaThatLacksChangesTakesOver(t *testing.T) {
	primary := servicetest.StartPostgres(t, servicetest.PostgresOptions{})
	replica := primary.Replica(false)
	svc, rdb, keys := onPostgresAt(t, primary.Both(replica), servicetest.Redis(t))
	ctx := context.Background()
	if err := svc.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { svc.Stop(ctx) })
	workers := fourWorkers(t, rdb, keys)
	applied(t, svc, "one", "kept")
	awaitReplica(t, svc, replica)
	awaitMessage(t, workers, "one", "kept")

	replica.Stop()
	applied(t, svc, "one", "lost")
	applied(t, svc, "stray", "lost")
	awaitMessage(t, workers, "one", "lost")
	awaitMessage(t, workers, "stray", "lost")
	primary.Kill()
	replica.Restart()
	replica.Promote()
	// As many changes as were lost: the version is the same then.
	applied(t, svc, "one", "after")
	applied(t, svc, "two", "after")
	awaitMessage(t, workers, "one", "after")
	awaitMessage(t, workers, "two", "after")
	awaitMessage(t, workers, "stray", "")
	applied(t, svc, "one", "and on")
	awaitMessage(t, workers, "one", "and on")
}

// awaitReplica waits until the replica has the configuration.
func awaitReplica(t *testing.T, svc *Service, replica *servicetest.PostgresServer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	want, err := svc.store.ConfigVersion(ctx)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, replica.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for version := int64(-1); version != want; {
		if err := conn.QueryRow(ctx, `SELECT version FROM config_version`).Scan(&version); err != nil {
			t.Fatal(err)
		}
	}
}

// Redis that is emptied under the workers is filled again, and what is applied
// to it meanwhile counts.
func TestRedisIsFlushedUnderFourWorkers(t *testing.T) {
	svc, rdb, keys := onPostgres(t)
	ctx := context.Background()
	if err := svc.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { svc.Stop(ctx) })
	workers := fourWorkers(t, rdb, keys)
	applied(t, svc, "one", "a")
	awaitMessage(t, workers, "one", "a")
	for _, message := range []string{"b", "c"} {
		if err := rdb.FlushAll(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		for _, c := range workers {
			if c.Ready() != nil || c.Project("default").Workflow("one") == nil {
				t.Error("memory does not serve on")
			}
		}
		applied(t, svc, "one", message)
		awaitMessage(t, workers, "one", message)
	}
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	// Nothing is applied: the reconciler alone fills Redis, and a worker that
	// starts then has everything.
	late := time.Now().Add(30 * time.Second)
	for {
		if _, ok, _, err := cache.Published(ctx, rdb); ok && err == nil {
			break
		}
		if time.Now().After(late) {
			t.Fatal("Redis was not filled again")
		}
	}
	awaitMessage(t, fourWorkers(t, rdb, keys), "one", "c")
}
