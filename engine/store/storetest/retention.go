package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema"
)

// hourly writes a run of a project each hour of three days from the first
// day's midnight, and returns that midnight.
func hourly(t *testing.T, s store.Store, project string) time.Time {
	midnight := epoch.Truncate(24 * time.Hour)
	batch := store.LogBatch{Stream: project, To: "1"}
	for n := range 72 {
		r := endedRun(midnight.Add(time.Duration(n)*time.Hour), n, schema.RunSucceeded)
		r.Project = project
		step := stepRow(r.ID, 1)
		step.Project = project
		// Ids are one of all projects.
		r.ID = r.ID[:len(r.ID)-1] + project[:1]
		step.Run = r.ID
		batch.Runs, batch.Steps = append(batch.Runs, r), append(batch.Steps, step)
	}
	write(t, s, batch)
	return midnight
}

func history(t *testing.T, s store.Store, project string) (runs, steps int) {
	for _, r := range got(s.ListRuns(t.Context(), store.RunQuery{Project: project, Limit: 1000}))(t) {
		runs++
		steps += len(got(s.Steps(t.Context(), project, r.ID))(t))
	}
	return runs, steps
}

func testDeleteRuns(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	if n := got(s.DeleteRuns(ctx, "default", epoch))(t); n != 0 {
		t.Errorf("%d runs of an empty history went", n)
	}
	midnight := hourly(t, s, "default")
	for _, test := range []struct {
		before        time.Time
		deleted, left int
	}{
		{midnight, 0, 72},
		{midnight.Add(5*time.Hour + time.Millisecond), 6, 66},
		{midnight.Add(5*time.Hour + time.Millisecond), 0, 66},
		{midnight.Add(24 * time.Hour), 18, 48},
		{midnight.Add(50 * time.Hour), 26, 22},
		{midnight.Add(1000 * time.Hour), 22, 0},
	} {
		if n := got(s.DeleteRuns(ctx, "default", test.before))(t); n != int64(test.deleted) {
			t.Errorf("before %v: %d runs went; want %d", test.before, n, test.deleted)
		}
		if runs, steps := history(t, s, "default"); runs != test.left || steps != test.left {
			t.Errorf("before %v: %d runs and %d steps are left; want %d", test.before, runs, steps, test.left)
		}
	}
	// A step of a run that is gone is gone, too.
	if steps := got(s.Steps(ctx, "default", runID(midnight, 0)[:26]+"d"))(t); len(steps) != 0 {
		t.Errorf("steps are left: %v", show(steps))
	}
	// A day that was dropped can be written again.
	late := endedRun(midnight.Add(time.Hour), 500, schema.RunSucceeded)
	write(t, s, store.LogBatch{Stream: "late", To: "1", Runs: []schema.Run{late}, Steps: []store.StepRow{stepRow(late.ID, 1)}})
	if runs, steps := history(t, s, "default"); runs != 1 || steps != 1 {
		t.Errorf("%d runs and %d steps; want 1", runs, steps)
	}
}

func testDeleteRunsOfOneProject(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	midnight := hourly(t, s, "default")
	hourly(t, s, "north")
	if n := got(s.DeleteRuns(ctx, "default", midnight.Add(30*time.Hour)))(t); n != 30 {
		t.Errorf("%d runs went; want 30", n)
	}
	if runs, steps := history(t, s, "default"); runs != 42 || steps != 42 {
		t.Errorf("%d runs and %d steps are left; want 42", runs, steps)
	}
	if runs, steps := history(t, s, "north"); runs != 72 || steps != 72 {
		t.Errorf("the other project has %d runs and %d steps; want 72", runs, steps)
	}
	if n := got(s.DeleteRuns(ctx, "north", midnight.Add(72*time.Hour)))(t); n != 72 {
		t.Errorf("%d runs went; want 72", n)
	}
	if runs, steps := history(t, s, "default"); runs != 42 || steps != 42 {
		t.Errorf("%d runs and %d steps are left; want 42", runs, steps)
	}
}

// testDeleteRunsKeepsTheRest has a project's history go that is older than
// anything: its configuration with all revisions and releases, and the audit log,
// whose records are a chain, are no history.
func testDeleteRunsKeepsTheRest(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	midnight := hourly(t, s, project)
	workflow := resource(schema.KindWorkflow, "w", `{"n":1}`)
	put(t, s, workflow)
	workflow.Spec = []byte(`{"n":2}`)
	put(t, s, workflow)
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.AddRelease(ctx, store.Release{Name: "v1", CreatedAt: epoch, Items: []byte(`[]`)}))
		for range 3 {
			must(t, tx.Audit(ctx, store.AuditRecord{At: epoch, Actor: "ada", Action: "update", Outcome: "done"}))
		}
	})
	kept := func() []any {
		return []any{
			got(s.Revisions(ctx, project, schema.Ref{Kind: schema.KindWorkflow, Name: "w"}, 0))(t),
			got(s.Releases(ctx, project, 0, 0))(t), got(s.Audit(ctx, store.AuditQuery{Project: project}))(t), got(s.LoadConfig(ctx))(t),
		}
	}
	before := kept()
	if n := got(s.DeleteRuns(ctx, project, midnight.AddDate(10, 0, 0)))(t); n != 72 {
		t.Errorf("%d runs went; want all 72", n)
	}
	for i, what := range []string{"the revisions", "the releases", "the audit log", "the configuration"} {
		equal(t, what, kept()[i], before[i])
	}
}

// testDeleteWhileWriting lets retention and late rows of old days race: no
// write fails for it, and what is newer stays.
func testDeleteWhileWriting(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	midnight := epoch.Truncate(24 * time.Hour)
	const writers, batches = 3, 30
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range batches {
				var b store.LogBatch
				b.Stream, b.From, b.To = fmt.Sprint(w), fmt.Sprint(n), fmt.Sprint(n+1)
				if n == 0 {
					b.From = ""
				}
				for d := range 3 { // two old days and one that stays
					r := endedRun(midnight.AddDate(0, 0, d), w*1000+n, schema.RunSucceeded)
					b.Runs, b.Steps = append(b.Runs, r), append(b.Steps, stepRow(r.ID, 1))
				}
				if ok, err := s.WriteLog(ctx, b); !ok || err != nil {
					t.Errorf("writer %d, batch %d: %t, %v", w, n, ok, err)
				}
			}
		})
	}
	written := make(chan struct{})
	var deleted int64
	var retention sync.WaitGroup
	retention.Go(func() {
		for {
			n, err := s.DeleteRuns(ctx, project, midnight.AddDate(0, 0, 2))
			if err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Error(err)
			}
			deleted += n
			select {
			case <-written:
				return
			default:
			}
		}
	})
	wg.Wait()
	close(written)
	retention.Wait()
	deleted += got(s.DeleteRuns(ctx, project, midnight.AddDate(0, 0, 2)))(t)
	if want := int64(2 * writers * batches); deleted != want {
		t.Errorf("%d runs went; want %d", deleted, want)
	}
	if runs, steps := history(t, s, project); runs != writers*batches || steps != runs {
		t.Errorf("%d runs and %d steps are left; want %d", runs, steps, writers*batches)
	}
}

func testPayloads(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	midnight := epoch.Truncate(24 * time.Hour)
	day := func(n int) string { return midnight.AddDate(0, 0, n).Format(time.DateOnly) }
	batch := store.LogBatch{Stream: "s", To: "1"}
	for n := range 3 {
		for _, project := range []string{"default", "north"} {
			batch.Payloads = append(batch.Payloads,
				store.Payload{Project: project, Day: day(n), Digest: "aa"}, store.Payload{Project: project, Day: day(n), Digest: "bb"},
				store.Payload{Project: project, Day: day(n), Digest: "aa"}) // two rows with one value
		}
	}
	write(t, s, batch)
	write(t, s, store.LogBatch{Stream: "s", From: "1", To: "2", Payloads: batch.Payloads[:1]}) // and one of a later batch
	check := func(project string, n, want int) {
		t.Helper()
		if digests := got(s.Payloads(ctx, project, day(n)))(t); len(digests) != want {
			t.Errorf("%s has %v for its day %d; want %d", project, digests, n, want)
		}
	}
	for n := range 3 {
		check("default", n, 2)
	}
	check("default", 3, 0)
	check("nobody", 0, 0)
	got(s.DeleteRuns(ctx, "default", midnight.Add(47*time.Hour)))(t) // in its second day
	for n, want := range []int{0, 2, 2} {
		check("default", n, want)
		check("north", n, 2)
	}
}
