package storetest

import (
	"sync"
	"testing"
	"time"

	"paragon/engine/store"
)

func testPauses(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	if none := got(s.Pauses(ctx))(t); len(none) != 0 {
		t.Errorf("paused in a new store: %v", none)
	}
	at := epoch.Truncate(time.Microsecond)
	queue := store.Pause{Kind: store.PauseQueue, Name: "0/high", At: at, By: "ada"}
	one := store.Pause{Kind: store.PauseWorkflow, Project: project, Name: "a", At: at, By: "ada"}
	two := store.Pause{Kind: store.PauseWorkflow, Project: "elsewhere", Name: "a", At: at.Add(time.Second), By: "bob"}
	for _, p := range []store.Pause{two, one, queue} {
		must(t, s.PutPause(ctx, p))
	}
	again := one
	again.By = "somebody else"
	must(t, s.PutPause(ctx, again))
	equal(t, "paused", got(s.Pauses(ctx))(t), []store.Pause{queue, one, two})
	must(t, s.DeletePause(ctx, store.PauseWorkflow, project, "a"))
	must(t, s.DeletePause(ctx, store.PauseWorkflow, project, "a"))
	equal(t, "paused after one ended", got(s.Pauses(ctx))(t), []store.Pause{queue, two})
}

func anOperation(n int) store.Operation {
	at := epoch.Truncate(time.Microsecond).Add(time.Duration(n) * time.Second)
	return store.Operation{ID: "o" + runID(at, n)[1:], Project: project, Kind: "replay", State: store.OperationQueued,
		Request: []byte(`{"workflow":"w"}`), By: "ada", CreatedAt: at, UpdatedAt: at}
}

func testOperations(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	now, minute := epoch.Truncate(time.Microsecond), time.Minute
	_, err := s.LeaseOperation(ctx, "me", now, now.Add(minute))
	wantError(t, err, store.ErrNotFound)
	first, second, other := anOperation(0), anOperation(1), anOperation(2)
	other.Project = "elsewhere"
	for _, op := range []store.Operation{second, first, other} {
		must(t, s.CreateOperation(ctx, op))
	}
	wantError(t, s.CreateOperation(ctx, first), store.ErrExists)
	equal(t, "the project's", got(s.Operations(ctx, project, "", 0))(t), []store.Operation{second, first})
	equal(t, "a page", got(s.Operations(ctx, project, second.ID, 5))(t), []store.Operation{first})
	_, err = s.Operation(ctx, "elsewhere", first.ID)
	wantError(t, err, store.ErrNotFound)

	// The oldest is leased first, and to one owner at a time.
	mine := got(s.LeaseOperation(ctx, "me", now, now.Add(minute)))(t)
	first.State, first.UpdatedAt = store.OperationRunning, now
	equal(t, "leased", *mine, first)
	if next := got(s.LeaseOperation(ctx, "you", now, now.Add(minute)))(t); next.ID != second.ID {
		t.Errorf("leased twice: %s", next.ID)
	}
	mine.Total, mine.Done, mine.Failed, mine.Cursor, mine.Failures = 10, 4, 1, "r7", []byte(`[{"run":"r8"}]`)
	mine.UpdatedAt = now.Add(time.Second)
	if !got(s.SaveOperation(ctx, "me", *mine, now.Add(2*minute)))(t) {
		t.Error("the owner's progress was refused")
	}
	if got(s.SaveOperation(ctx, "you", *mine, now.Add(2*minute)))(t) {
		t.Error("another's progress was written")
	}
	equal(t, "progress", *got(s.Operation(ctx, project, mine.ID))(t), *mine)

	// Once the lease is over another goes on where the first was, and the first
	// is told.
	late := now.Add(2 * minute)
	taken := got(s.LeaseOperation(ctx, "third", late, late.Add(minute)))(t)
	for taken.ID != mine.ID {
		taken = got(s.LeaseOperation(ctx, "third", late, late.Add(minute)))(t)
	}
	if taken.Cursor != "r7" || taken.Done != 4 || got(s.SaveOperation(ctx, "me", *mine, late))(t) {
		t.Errorf("taken over: %+v", taken)
	}
	taken.State, taken.EndedAt, taken.UpdatedAt = store.OperationDone, late, late
	if !got(s.SaveOperation(ctx, "third", *taken, late))(t) {
		t.Error("the end was refused")
	}
	equal(t, "ended", *got(s.Operation(ctx, project, mine.ID))(t), *taken)
	wantError(t, s.CancelOperation(ctx, project, mine.ID, late), store.ErrNotFound)
	if got(s.SaveOperation(ctx, "third", *taken, late))(t) {
		t.Error("an operation that has ended was written")
	}

	// A canceled one takes no progress any more.
	must(t, s.CancelOperation(ctx, project, second.ID, late))
	canceled := got(s.Operation(ctx, project, second.ID))(t)
	if canceled.State != store.OperationCanceled || !canceled.EndedAt.Equal(late) || got(s.SaveOperation(ctx, "third", *canceled, late))(t) {
		t.Errorf("canceled: %+v", canceled)
	}
}

func testOperationRace(t *testing.T, open opener) {
	s := migrated(t, open)
	const many = 12
	for n := range many {
		must(t, s.CreateOperation(t.Context(), anOperation(n)))
	}
	var mu sync.Mutex
	owners := map[string]int{}
	var wg sync.WaitGroup
	for range many {
		wg.Go(func() {
			for {
				op, err := s.LeaseOperation(t.Context(), "o", epoch, epoch.Add(time.Hour))
				if err != nil {
					return // none is left, or none that is not locked at this moment
				}
				mu.Lock()
				owners[op.ID]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(owners) != many {
		t.Errorf("%d operations were leased; want %d", len(owners), many)
	}
	for id, n := range owners {
		if n != 1 {
			t.Errorf("operation %s was leased %d times", id, n)
		}
	}
}
