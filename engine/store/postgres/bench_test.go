package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/schema"
)

// benchRows is a batch as a flusher writes it: a quarter of the rows are runs,
// the rest their steps.
const benchRows = 10_000

func benchBatch(at time.Time, n int) store.LogBatch {
	var b store.LogBatch
	for i := range benchRows / 4 {
		created := at.Add(time.Duration(i) * time.Microsecond)
		ended := created.Add(time.Second)
		run := schema.Run{
			ID: fmt.Sprintf("%s%016d", schema.RunIDBound(created), n*benchRows+i), Project: "default", Workflow: fmt.Sprintf("workflow-%d", i%20),
			Revision: 3, Status: schema.RunSucceeded, Trigger: schema.Trigger{Kind: "manual", Actor: "ci", Time: created},
			Input: []byte(`{"email":"ada@example.com","account":"a-1234"}`), Output: []byte(`{"ok":true}`),
			CreatedAt: created, StartedAt: &created, EndedAt: &ended, Attempts: 3, TraceID: "0af7651916cd43dd8448eb211c80319c",
		}
		b.Runs = append(b.Runs, run)
		for seq := range 3 {
			b.Steps = append(b.Steps, store.StepRow{Project: "default", Run: run.ID, Seq: int64(seq + 1), StepRecord: schema.StepRecord{
				Path: fmt.Sprintf("step-%d", seq), Step: fmt.Sprintf("step-%d", seq), Kind: "request", Status: schema.StepSucceeded, Attempt: 1,
				StartedAt: created, EndedAt: ended, Result: []byte(`{"status":200,"headers":{"content-type":"application/json"},"body":{"total":1}}`),
				Attempts: []schema.Attempt{{Number: 1, StartedAt: created, EndedAt: ended,
					Request:  &schema.HTTPRecord{Method: "GET", URL: "https://crm.example/contacts?email=ada@example.com"},
					Response: &schema.HTTPRecord{Status: 200, Headers: map[string]string{"content-type": "application/json"}, Body: `{"total":1}`, Size: 11}}},
			}})
		}
	}
	return b
}

// benchServer is a server as in production: commits wait for the disk.
func benchServer(b *testing.B) string {
	return servicetest.StartPostgres(b, servicetest.PostgresOptions{Durable: true, Settings: map[string]string{"max_wal_size": "4GB"}}).URL
}

// BenchmarkWriteLog measures WriteLog against bare COPY: the same rows, encoded
// beforehand, into plain tables with the same columns and indexes. The two
// take turns on one server, so that whatever else the machine does slows both.
func BenchmarkWriteLog(b *testing.B) {
	url := benchServer(b)
	s := open(b, url)
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	bare := newBareCopy(b, url)
	at := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	var ours, theirs time.Duration
	position := ""
	n := 0
	for ; b.Loop(); n++ {
		batch := benchBatch(at.Add(time.Duration(n)*time.Second), n)
		batch.Stream, batch.From, batch.To = "s", position, fmt.Sprint(n+1)
		position = batch.To
		runs, steps := bare.rows(batch)
		writeLog := func() {
			start := time.Now()
			if ok, err := s.WriteLog(b.Context(), batch); !ok || err != nil {
				b.Fatal(ok, err)
			}
			ours += time.Since(start)
		}
		if n%2 == 0 {
			writeLog()
		}
		start := time.Now()
		bare.copy(b, runs, steps)
		theirs += time.Since(start)
		if n%2 == 1 {
			writeLog()
		}
	}
	rows := float64(benchRows * n)
	b.ReportMetric(rows/ours.Seconds(), "rows/s")
	b.ReportMetric(rows/theirs.Seconds(), "bare-rows/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "of-bare")
}

// bareCopy writes rows as fast as Postgres takes them.
type bareCopy struct {
	conn                    *pgx.Conn
	runColumns, stepColumns []string
}

func newBareCopy(b *testing.B, url string) *bareCopy {
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(b.Context(), `CREATE TABLE bare_runs (LIKE runs INCLUDING ALL); CREATE TABLE bare_steps (LIKE steps INCLUDING ALL)`); err != nil {
		b.Fatal(err)
	}
	columns := func(table string) (names []string) {
		rows, err := conn.Query(b.Context(), `SELECT column_name::text FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position`, table)
		if err == nil {
			names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			b.Fatal(err)
		}
		return names
	}
	return &bareCopy{conn: conn, runColumns: columns("bare_runs"), stepColumns: columns("bare_steps")}
}

func (c *bareCopy) rows(batch store.LogBatch) (runs, steps [][]any) {
	for _, r := range batch.Runs {
		trigger, _ := json.Marshal(r.Trigger)
		runs = append(runs, []any{r.Revision, r.CreatedAt, r.StartedAt, r.EndedAt, int32(r.Attempts), int32(0), r.ID, r.Project, r.Workflow,
			string(r.Status), r.TraceID, string(trigger), nil, nil, string(r.Input), string(r.Output), nil})
	}
	for _, s := range batch.Steps {
		attempts, _ := json.Marshal(s.Attempts)
		steps = append(steps, []any{s.Seq, s.StartedAt, s.EndedAt, nil, nil, int32(s.Attempt), s.Run, s.Project, s.Path, s.Step, s.Kind,
			string(s.Status), string(s.Result), nil, string(attempts)})
	}
	return runs, steps
}

func (c *bareCopy) copy(b *testing.B, runs, steps [][]any) {
	err := pgx.BeginFunc(b.Context(), c.conn, func(tx pgx.Tx) error {
		if _, err := tx.CopyFrom(b.Context(), pgx.Identifier{"bare_runs"}, c.runColumns, pgx.CopyFromRows(runs)); err != nil {
			return err
		}
		_, err := tx.CopyFrom(b.Context(), pgx.Identifier{"bare_steps"}, c.stepColumns, pgx.CopyFromRows(steps))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAccept is a group commit's worth of durable acceptances.
func BenchmarkAccept(b *testing.B) {
	s := open(b, benchServer(b))
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	const group = 256
	n := 0
	for b.Loop() {
		runs := make([]store.AcceptedRun, group)
		for i := range runs {
			n++
			now := time.Now()
			runs[i] = store.AcceptedRun{ID: fmt.Sprintf("%s%016d", schema.RunIDBound(now), n), Project: "default", Workflow: "w",
				IdempotencyKey: fmt.Sprint(n), CreatedAt: now, Meta: []byte(`{"project":"default","workflow":"w","input":{"email":"ada@example.com"}}`)}
		}
		if err := s.Accept(b.Context(), runs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(group*b.N)/b.Elapsed().Seconds(), "runs/s")
}
