package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/engine/store/postgres"
	"paragon/engine/store/storetest"
	"paragon/schema"
)

func TestMain(m *testing.M) { servicetest.Main(m) }

func open(t testing.TB, url string) store.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, servicetest.Postgres(t)) })
}

func TestOpenRefusesAURLWithoutShowingItsPassword(t *testing.T) {
	_, err := postgres.Open(t.Context(), "postgres://ada:hunter2@host:notaport/db")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	s := open(t, "postgres://127.0.0.1:1/db?sslmode=disable")
	for name, err := range map[string]error{"Ping": s.Ping(t.Context()), "CheckSchema": s.CheckSchema(t.Context()), "Migrate": s.Migrate(t.Context())} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v; want ErrUnavailable", name, err)
		}
	}
}

func TestTwoProcessesMayMigrateAtOnce(t *testing.T) {
	url := servicetest.Postgres(t)
	var wg sync.WaitGroup
	for range 3 {
		s := open(t, url) // a pool of its own, as another process has
		wg.Go(func() {
			if err := s.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.CheckSchema(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestCheckSchemaOfANewerDatabase(t *testing.T) {
	url := servicetest.Postgres(t)
	s := open(t, url)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	query[int](t, url, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true) RETURNING 1`)
	if err := s.CheckSchema(t.Context()); !errors.Is(err, store.ErrSchema) || !strings.Contains(err.Error(), "newer paragond") {
		t.Errorf("got %v", err)
	}
}

func query[T any](t *testing.T, url, sql string, args ...any) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func batchOf(project, stream, from, to string, at time.Time, n int) store.LogBatch {
	run := schema.Run{ID: fmt.Sprintf("%s%016d", schema.RunIDBound(at), n), Project: project, Workflow: "w", Status: schema.RunSucceeded, CreatedAt: at}
	step := store.StepRow{Project: project, Run: run.ID, Seq: 1, StepRecord: schema.StepRecord{Path: "a", Step: "a", Kind: "set", Status: schema.StepSucceeded}}
	return store.LogBatch{Stream: stream, From: from, To: to, Runs: []schema.Run{run}, Steps: []store.StepRow{step}}
}

// TestRetentionDropsPartitions looks at the tables behind DeleteRuns.
func TestRetentionDropsPartitions(t *testing.T) {
	url := servicetest.Postgres(t)
	s := open(t, url)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	partitions := func() int {
		return query[int](t, url, `SELECT count(*) FROM pg_inherits WHERE inhparent IN ('runs'::regclass, 'steps'::regclass) AND inhrelid::regclass::text !~ 'key$'`)
	}
	day := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for d := range 4 {
		for _, project := range []string{"a", "b"}[:1+d%2] { // b has only every second day
			at := day.AddDate(0, 0, d)
			if ok, err := s.WriteLog(t.Context(), batchOf(project, fmt.Sprint(project, d), "", "1", at, int(project[0]))); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
	}
	for _, test := range []struct {
		project string
		before  time.Time
		deleted int64
		want    int
	}{
		{"a", day.AddDate(0, 0, -1), 0, 8},
		{"a", day.AddDate(0, 0, 3), 3, 4}, // days 0 and 2 go; 1 is b's, 3 is the boundary
		{"b", day.AddDate(0, 0, 3), 1, 2},
		{"b", day.AddDate(0, 0, 9), 1, 2},
		{"a", day.AddDate(0, 0, 9), 1, 0},
	} {
		n, err := s.DeleteRuns(t.Context(), test.project, test.before)
		if err != nil || n != test.deleted {
			t.Errorf("%s before %v: %d runs went, %v; want %d", test.project, test.before, n, err, test.deleted)
		}
		if have := partitions(); have != test.want {
			t.Errorf("%s before %v: %d partitions are left; want %d", test.project, test.before, have, test.want)
		}
	}
}

// TestServerLost kills the server under a writer of the log and one of the
// configuration: each call says that the store is unavailable, the store goes
// on when the server is back, and the log has each row once.
func TestServerLost(t *testing.T) {
	server := servicetest.StartPostgres(t, servicetest.PostgresOptions{})
	s := open(t, server.URL)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	const batches = 200
	reached := make(chan int, batches)
	unavailable := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(reached)
		for position := ""; position != fmt.Sprint(batches); {
			n := 0
			fmt.Sscan(position, &n)
			_, err := s.WriteLog(t.Context(), batchOf("p", "s", position, fmt.Sprint(n+1), at, n))
			if err == nil {
				reached <- n
				position = fmt.Sprint(n + 1)
				continue
			}
			// As a flusher does: ask where the stream is, until there is an answer.
			for unavailable++; ; {
				if !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("batch %d: %v; want ErrUnavailable", n, err)
					return
				}
				var mark store.LogMark
				if mark, err = s.LogPosition(t.Context(), "s"); err == nil {
					position = mark.Position
					break
				}
			}
		}
	})
	for n := range reached {
		switch n {
		case 50:
			server.Kill()
			if err := s.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Ping of a dead server: %v", err)
			}
			server.Restart()
		case 120:
			server.Stop()
			if _, err := s.Update(t.Context(), "p", func(store.ConfigTx) error { return nil }); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Update on a stopped server: %v", err)
			}
			server.Restart()
		}
	}
	wg.Wait()
	if unavailable == 0 {
		t.Error("no write met the dead server: the test proved nothing")
	}
	if runs := query[int](t, server.URL, `SELECT count(*) FROM runs`); runs != batches {
		t.Errorf("%d runs; want %d", runs, batches)
	}
}
