package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/schema"
)

// BenchmarkDropADay measures what it takes to end a day of a million runs and
// as many steps, and how long a writer that makes the partitions of another day
// takes meanwhile and alone. The end of the day includes the removal of its
// files, for which Postgres holds no lock any more. Each iteration fills the
// day anew, which takes most of the time:
//
//	go test ./engine/store/postgres -run xxx -bench DropADay -benchtime 3x
func BenchmarkDropADay(b *testing.B) {
	const rows = 1_000_000
	url := benchServer(b)
	s := open(b, url)
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	day := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	var dropped, waited, alone time.Duration
	// write writes a row of a day that has no partitions yet.
	write := func(n int) time.Duration {
		at := time.Now()
		if ok, err := s.WriteLog(b.Context(), batchOf("default", fmt.Sprint("next", n), "", "1", day.AddDate(0, 0, 100+n), n)); !ok || err != nil {
			b.Error(ok, err)
		}
		return time.Since(at)
	}
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		at := day.AddDate(0, 0, n)
		if ok, err := s.WriteLog(b.Context(), batchOf("default", fmt.Sprint("day", n), "", "1", at, 0)); !ok || err != nil {
			b.Fatal(ok, err)
		}
		for _, fill := range []string{
			`INSERT INTO runs (revision, created_at, attempts, recoveries, id, project, workflow, status, trigger, input, output)
				SELECT 1, $1, 1, 0, $2 || lpad(i::text, 16, '0'), 'default', 'w' || i % 20, 'succeeded', '{"kind":"manual"}', '{"n":1}', '{"ok":true}'
				FROM generate_series(1, $3) i`,
			`INSERT INTO steps (seq, started_at, attempt, run, project, path, step, kind, status, result)
				SELECT 1, $1, 1, $2 || lpad(i::text, 16, '0'), 'default', 'a', 'a', 'request', 'succeeded', '{"status":200}'
				FROM generate_series(1, $3) i`,
		} {
			if _, err := conn.Exec(b.Context(), fill, at, schema.RunIDBound(at), rows); err != nil {
				b.Fatal(err)
			}
		}
		// As autovacuum does on a server that runs for a day.
		if _, err := conn.Exec(b.Context(), "ANALYZE runs"); err != nil {
			b.Fatal(err)
		}
		alone += write(2 * n)
		wrote := make(chan time.Duration, 1)
		b.StartTimer()
		start := time.Now()
		go func() { wrote <- write(2*n + 1) }()
		deleted, err := s.DeleteRuns(b.Context(), "default", at.AddDate(0, 0, 1))
		dropped += time.Since(start)
		if err != nil || deleted < rows*9/10 {
			b.Fatal(deleted, err)
		}
		waited += <-wrote
	}
	b.ReportMetric(float64(dropped.Milliseconds())/float64(b.N), "ms/day")
	b.ReportMetric(float64(alone.Milliseconds())/float64(b.N), "ms/write-alone")
	b.ReportMetric(float64(waited.Milliseconds())/float64(b.N), "ms/write-meanwhile")
}
