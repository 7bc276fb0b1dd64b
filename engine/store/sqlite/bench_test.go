package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema"
)

// BenchmarkAccept is a group commit of 64 durable acceptances, disk included.
func BenchmarkAccept(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "paragon.db"))
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	const group = 64
	n := 0
	for b.Loop() {
		runs := make([]store.AcceptedRun, group)
		for i := range runs {
			n++
			now := time.Now()
			runs[i] = store.AcceptedRun{ID: fmt.Sprintf("%s%016d", schema.RunIDBound(now), n), Project: "default", Workflow: "w",
				CreatedAt: now, Meta: []byte(`{"project":"default","workflow":"w","input":{"email":"ada@example.com"}}`)}
		}
		if err := s.Accept(b.Context(), runs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(group*b.N)/b.Elapsed().Seconds(), "runs/s")
}

// BenchmarkWriteLog is a batch of a quarter runs and three quarters steps.
func BenchmarkWriteLog(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "paragon.db"))
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	const runs = 500
	position := ""
	n := 0
	for b.Loop() {
		batch := store.LogBatch{Stream: "s", From: position, To: fmt.Sprint(n + runs)}
		position = batch.To
		for range runs {
			n++
			now := time.Now()
			run := schema.Run{ID: fmt.Sprintf("%s%016d", schema.RunIDBound(now), n), Project: "default", Workflow: "w", Status: schema.RunSucceeded,
				Trigger: schema.Trigger{Kind: "manual", Time: now}, CreatedAt: now, Input: []byte(`{"email":"ada@example.com"}`)}
			batch.Runs = append(batch.Runs, run)
			for seq := range int64(3) {
				batch.Steps = append(batch.Steps, store.StepRow{Project: "default", Run: run.ID, Seq: seq, StepRecord: schema.StepRecord{
					Path: "lookup", Step: "lookup", Kind: "request", Status: schema.StepSucceeded, StartedAt: now, Result: []byte(`{"status":200}`)}})
			}
		}
		if ok, err := s.WriteLog(b.Context(), batch); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
	b.ReportMetric(float64(4*runs*b.N)/b.Elapsed().Seconds(), "rows/s")
}
