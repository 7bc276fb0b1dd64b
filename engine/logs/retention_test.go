package logs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/engine/store/sqlite"
	"paragon/schema"
)

// failing is a store that can't delete the history of one project.
type failing struct {
	store.Store
	project string
	swept   chan string
}

func (f *failing) DeleteRuns(ctx context.Context, project string, before time.Time) (int64, error) {
	if f.swept != nil {
		f.swept <- project
	}
	if project == f.project {
		return 0, store.ErrUnavailable
	}
	return f.Store.DeleteRuns(ctx, project, before)
}

// historyOf makes a store in which each project has a run an hour, the oldest
// ten days old.
func historyOf(t *testing.T, now time.Time, projects ...string) *failing {
	t.Helper()
	ctx := t.Context()
	db, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	for _, name := range projects {
		if _, err := db.Update(ctx, name, func(tx store.ConfigTx) error {
			return tx.PutProject(ctx, store.Project{Name: name, DataKey: []byte("key"), CreatedAt: now})
		}); err != nil {
			t.Fatal(err)
		}
		batch := store.LogBatch{Stream: name, To: "1"}
		for h := range 240 {
			at := now.Add(-time.Duration(h)*time.Hour - time.Minute)
			batch.Runs = append(batch.Runs, schema.Run{ID: fmt.Sprintf("%s%015d%.1s", schema.RunIDBound(at), h, name), Project: name, Workflow: "w",
				Status: schema.RunSucceeded, CreatedAt: at, EndedAt: &at})
		}
		if _, err := db.WriteLog(ctx, batch); err != nil {
			t.Fatal(err)
		}
	}
	return &failing{Store: db}
}

func (f *failing) left(t *testing.T, project string) int {
	t.Helper()
	runs, err := f.ListRuns(t.Context(), store.RunQuery{Project: project, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return len(runs)
}

func TestRetentionIsByProject(t *testing.T) {
	now := time.Date(2026, 5, 11, 12, 0, 0, 0, time.UTC)
	s := historyOf(t, now, "default", "north", "south")
	r := NewRetention(RetentionOptions{Store: s, Now: func() time.Time { return now },
		Keep: Keep{Default: 5 * 24 * time.Hour, Projects: map[string]time.Duration{"north": 0, "south": 24 * time.Hour}}})
	s.project = "default"
	n, err := r.Sweep(t.Context())
	if !errors.Is(err, store.ErrUnavailable) || n != 216 {
		t.Errorf("with one project failing: %d runs went, %v", n, err)
	}
	s.project = ""
	if n, err := r.Sweep(t.Context()); err != nil || n != 120 {
		t.Errorf("%d runs went, %v", n, err)
	}
	for project, want := range map[string]int{"default": 120, "north": 240, "south": 24} {
		if got := s.left(t, project); got != want {
			t.Errorf("%s has %d runs left, want %d", project, got, want)
		}
	}
	now = now.Add(12 * time.Hour)
	if n, err := r.Sweep(t.Context()); err != nil || n != 24 {
		t.Errorf("half a day later: %d runs went, %v", n, err)
	}
}

func TestRetentionLives(t *testing.T) {
	now := time.Now()
	s := historyOf(t, now, "default")
	s.swept = make(chan string)
	r := NewRetention(RetentionOptions{Store: s, Keep: Keep{Default: time.Hour}, Every: time.Millisecond})
	r.Start(t.Context())
	for range 3 {
		<-s.swept
	}
	stopped := make(chan struct{})
	go func() { r.Stop(); close(stopped) }()
	for done := false; !done; {
		select {
		case <-s.swept:
		case <-stopped:
			done = true
		}
	}
	if r := NewRetention(RetentionOptions{Store: s}); !r.opts.Keep.None() {
		t.Error("without a time something is deleted")
	}
}
