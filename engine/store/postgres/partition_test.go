package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/servicetest"
	"paragon/schema"
)

// A session that waits for the lock of the partitions while retention drops a
// day must see then that it is gone. Looked up by name (to_regclass), it is
// still there: such a look reads the session's cache of the catalog, which is
// told of the drop only when the session next locks a table.
func TestMakeDaysSeesADayThatWentWhileItWaited(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	url := servicetest.Postgres(t)
	opened, err := Open(ctx, url+"&pool_max_conns=1") // one session, whose cache knows the day
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	s := opened.(*Store)
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	for _, project := range []string{"a", "b"} {
		if err := s.makeDays(ctx, []day{{start, project}}); err != nil {
			t.Fatal(err)
		}
	}

	other, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.WithoutCancel(ctx))
	tx, err := other.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := lockPartitions(ctx, tx); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`DELETE FROM history_days`, `DROP TABLE ` + partitionName("runs", start), `DROP TABLE ` + partitionName("steps", start)} {
		if _, err := tx.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	made := make(chan error, 1)
	go func() { made <- s.makeDays(ctx, []day{{start, "c"}}) }()
	for waiting := false; !waiting; {
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"runs", "steps"} {
		var partitions int
		err := other.QueryRow(ctx, `SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
			WHERE i.inhparent = $1::regclass AND c.relkind = 'r'`, table).Scan(&partitions)
		if err != nil || partitions != 1 {
			t.Errorf("%s has %d partitions, %v; want the day's: %s", table, partitions, err, schema.RunIDBound(start))
		}
	}
}
