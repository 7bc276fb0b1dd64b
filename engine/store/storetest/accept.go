package storetest

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema"
)

func acceptedRun(n int) store.AcceptedRun {
	at := epoch.Add(time.Duration(n) * time.Millisecond)
	return store.AcceptedRun{ID: runID(at, n), Project: project, Workflow: "lead-sync", CreatedAt: at,
		Meta: []byte(fmt.Sprintf(`{"n": %d, "text":"\u0000 ü"}`, n))}
}

func testAccept(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	must(t, s.Accept(ctx, nil))
	var runs []store.AcceptedRun
	for n := range 5 {
		runs = append(runs, acceptedRun(n))
	}
	runs[3].Meta, runs[3].IdempotencyKey = nil, "k\x00\xff, bytes"
	must(t, s.Accept(ctx, []store.AcceptedRun{runs[4], runs[1], runs[0]}))
	// Some are there already, one stands there twice.
	changed := runs[0]
	changed.Meta = []byte(`"changed"`)
	must(t, s.Accept(ctx, []store.AcceptedRun{runs[2], changed, runs[3], runs[2]}))
	equal(t, "accepted", got(s.Accepted(ctx, "", 0))(t), runs)
	equal(t, "a page", got(s.Accepted(ctx, runs[1].ID, 2))(t), runs[2:4])
	if none := got(s.Accepted(ctx, runs[4].ID, 2))(t); len(none) != 0 {
		t.Errorf("after the last: %v", none)
	}
	// All or none.
	if err := s.Accept(ctx, []store.AcceptedRun{acceptedRun(8), {}}); err == nil {
		t.Error("a run without an id was accepted")
	}
	equal(t, "accepted after a refusal", got(s.Accepted(ctx, "", 0))(t), runs)
}

func testAcceptConcurrently(t *testing.T, open opener) {
	s := migrated(t, open)
	const callers, each = 8, 25
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				// Batches overlap, in different orders, with keys.
				a, b := acceptedRun(c*each+i), acceptedRun((callers-c)*each-i)
				a.IdempotencyKey, b.IdempotencyKey = a.ID, b.ID
				if err := s.Accept(t.Context(), []store.AcceptedRun{a, b}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want := map[string]bool{}
	for c := range callers {
		for i := range each {
			want[acceptedRun(c*each+i).ID], want[acceptedRun((callers-c)*each-i).ID] = true, true
		}
	}
	have := map[string]bool{}
	for _, r := range got(s.Accepted(t.Context(), "", 0))(t) {
		have[r.ID] = true
	}
	equal(t, "accepted", have, want)
}

func testIdempotencyKeys(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	make := func(n int, workflow, key string) store.AcceptedRun {
		return store.AcceptedRun{ID: runID(now, n), Project: project, Workflow: workflow, IdempotencyKey: key, CreatedAt: now}
	}
	_, err := s.AcceptedByKey(ctx, project, "w", "k")
	wantError(t, err, store.ErrNotFound)
	first := make(1, "w", "k")
	must(t, s.Accept(ctx, []store.AcceptedRun{first, make(2, "w", "")}))
	must(t, s.Accept(ctx, []store.AcceptedRun{first})) // again is the same
	// The key is one of a workflow of a project.
	must(t, s.Accept(ctx, []store.AcceptedRun{make(3, "w2", "k")}))
	elsewhere := make(4, "w", "k")
	elsewhere.Project = "elsewhere"
	must(t, s.Accept(ctx, []store.AcceptedRun{elsewhere}))
	long := string(make(0, "", "").ID) + string(append([]byte{0, 0xff}, []byte(fmt.Sprintf("%05000d", 1))...))
	must(t, s.Accept(ctx, []store.AcceptedRun{make(5, "w", long)}))
	for _, test := range []struct{ project, workflow, key, want string }{
		{project, "w", "k", first.ID}, {project, "w2", "k", runID(now, 3)}, {"elsewhere", "w", "k", elsewhere.ID}, {project, "w", long, runID(now, 5)},
	} {
		if id := got(s.AcceptedByKey(ctx, test.project, test.workflow, test.key))(t); id != test.want {
			t.Errorf("%s/%s/%q stands for %s; want %s", test.project, test.workflow, test.key, id, test.want)
		}
	}
	for _, missing := range [][2]string{{"w", "K"}, {"wk", ""}, {"", "wk"}, {"w", ""}} {
		_, err := s.AcceptedByKey(ctx, project, missing[0], missing[1])
		wantError(t, err, store.ErrNotFound)
	}
	before := got(s.Accepted(ctx, "", 0))(t)

	// Taken: nothing of the batch is written, and the error says by whom.
	err = s.Accept(ctx, []store.AcceptedRun{make(10, "w", "fresh"), make(11, "w", "k"), make(12, "w", "twice"), make(13, "w", "")})
	wantTaken(t, err, map[string]string{runID(now, 11): first.ID})
	err = s.Accept(ctx, []store.AcceptedRun{make(12, "w", "twice"), make(14, "w", "twice")})
	wantTaken(t, err, map[string]string{runID(now, 14): runID(now, 12)})
	equal(t, "accepted after refusals", got(s.Accepted(ctx, "", 0))(t), before)
	_, err = s.AcceptedByKey(ctx, project, "w", "fresh")
	wantError(t, err, store.ErrNotFound)

	// The key outlives its run.
	ended := endedRun(now, 1, schema.RunSucceeded)
	write(t, s, store.LogBatch{Stream: "0", To: "1", Runs: []schema.Run{ended}})
	if id := got(s.AcceptedByKey(ctx, project, "w", "k"))(t); id != first.ID {
		t.Errorf("after its run's end the key stands for %s", id)
	}
	wantTaken(t, s.Accept(ctx, []store.AcceptedRun{make(15, "w", "k")}), map[string]string{runID(now, 15): first.ID})
}

func wantTaken(t testing.TB, err error, want map[string]string) {
	t.Helper()
	var taken *store.KeyTakenError
	if !errors.As(err, &taken) || !errors.Is(err, store.ErrExists) || !maps.Equal(taken.Runs, want) {
		t.Fatalf("got %#v; want a KeyTakenError of %v", err, want)
	}
}

func testIdempotencyRace(t *testing.T, open opener) {
	s := migrated(t, open)
	now := time.Now()
	const callers = 8
	for round := range 5 {
		key := fmt.Sprintf("round %d", round)
		var mu sync.Mutex
		var winner string
		losers := map[string]string{}
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				run := store.AcceptedRun{ID: runID(now, round*callers+c), Project: project, Workflow: "w", IdempotencyKey: key, CreatedAt: now}
				err := s.Accept(t.Context(), []store.AcceptedRun{run})
				mu.Lock()
				defer mu.Unlock()
				var taken *store.KeyTakenError
				switch {
				case err == nil && winner == "":
					winner = run.ID
				case errors.As(err, &taken):
					losers[run.ID] = taken.Runs[run.ID]
				default:
					t.Errorf("run %s: %v (winner so far: %q)", run.ID, err, winner)
				}
			})
		}
		wg.Wait()
		if len(losers) != callers-1 {
			t.Errorf("%d of %d lost", len(losers), callers)
		}
		for loser, holder := range losers {
			if holder != winner {
				t.Errorf("%s was told of %s; the winner is %s", loser, holder, winner)
			}
		}
	}
}

func testIdempotencyExpiry(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	now := time.Now()
	old := store.AcceptedRun{ID: runID(now, 1), Project: project, Workflow: "w", IdempotencyKey: "k", CreatedAt: now.Add(-store.KeyLife - time.Second)}
	recent := store.AcceptedRun{ID: runID(now, 2), Project: project, Workflow: "w", IdempotencyKey: "recent", CreatedAt: now.Add(-store.KeyLife + time.Hour)}
	must(t, s.Accept(ctx, []store.AcceptedRun{old, recent}))
	_, err := s.AcceptedByKey(ctx, project, "w", "k")
	wantError(t, err, store.ErrNotFound)
	if id := got(s.AcceptedByKey(ctx, project, "w", "recent"))(t); id != recent.ID {
		t.Errorf("got %s", id)
	}
	again := store.AcceptedRun{ID: runID(now, 3), Project: project, Workflow: "w", IdempotencyKey: "k", CreatedAt: now}
	must(t, s.Accept(ctx, []store.AcceptedRun{again}))
	if id := got(s.AcceptedByKey(ctx, project, "w", "k"))(t); id != again.ID {
		t.Errorf("the expired key stands for %s; want the new run", id)
	}
	// Retention forgets the expired and keeps the others.
	if n := got(s.DeleteRuns(ctx, project, now.Add(-100*24*time.Hour)))(t); n != 0 {
		t.Errorf("%d runs went", n)
	}
	if id := got(s.AcceptedByKey(ctx, project, "w", "recent"))(t); id != recent.ID {
		t.Errorf("got %s", id)
	}
}
