package execution

import (
	"fmt"
	"testing"
	"time"

	"paragon/engine/queue"
	"paragon/schema"
)

// What is paused is held when it is claimed, and let go by a resume; what has
// begun, or is to be canceled, goes on.
func TestPausedWorkflowIsHeld(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		q := queue.NewClient(b.rdb, queue.ClientOptions{})
		t.Cleanup(func() { _ = q.Stop(ctx) })
		take := func(l *ledger, limit int) []*state {
			t.Helper()
			states, err := l.claim(ctx, b.lane(), schema.PriorityNormal, limit)
			b.must(err)
			rest, err := l.holdBack(ctx, b.lane(), states)
			b.must(err)
			return rest
		}
		b.running(b.one) // begun before the pause
		b.must(b.rdb.SAdd(ctx, b.lane().key+":paused", "default/w").Err())
		if jobs, err := b.keeper.takeBack(ctx, b.lane(), "one", true, 10); err != nil || len(jobs) != 1 {
			t.Fatalf("taken back: %v %v", jobs, err)
		}
		if got := take(b.two, 1); len(got) != 1 {
			t.Fatal("a run that has begun is held")
		}
		const many = 5
		var ids []string
		for range many {
			ids = append(ids, b.accept(acceptance{}).id)
			b.clock = b.clock.Add(time.Millisecond)
		}
		if got := take(b.one, many); len(got) != 0 {
			t.Fatalf("%d runs of a paused workflow began", len(got))
		}
		b.expectMembers("held:default/w", ids...)
		b.expectMembers("queued:normal")
		b.expectMembers("claims:one")
		if st, err := b.one.load(ctx, ids[0]); err != nil || st.status != "waiting" || !st.startedAt.IsZero() {
			t.Fatalf("held: %+v %v", st, err)
		}
		// A delivery that comes twice finds nothing to claim.
		if got := take(b.two, many); len(got) != 0 {
			t.Fatal("a held run was claimed")
		}
		// Who is to be canceled need not wait for the resume.
		if code, _, err := b.one.tell(ctx, ids[0], []byte(`{"kind":"cancel"}`), ""); err != nil || code != signalQueued {
			t.Fatalf("cancel: %d %v", code, err)
		}
		if got := take(b.one, 1); len(got) != 1 {
			t.Fatal("a run that is to be canceled is held")
		}
		// While it is paused the keeper lets nothing go.
		b.must(b.keeper.letGo(ctx, q, b.lane(), "default/w", false))
		b.expectMembers("queued:normal")
		b.must(b.keeper.letGo(ctx, q, b.lane(), "default/w", true))
		b.expectMembers("queued:normal", ids[1:]...)
		b.expectMembers("held:default/w")
		if got := take(b.two, many); len(got) != many-1 {
			t.Fatalf("%d runs began after the resume; want %d", len(got), many-1)
		}
	})
}

// More runs than one script lets go.
func TestResumeLetsAllGo(t *testing.T) {
	onEach(t, func(t *testing.T, b *bed) {
		ctx := t.Context()
		q := queue.NewClient(b.rdb, queue.ClientOptions{})
		t.Cleanup(func() { _ = q.Stop(ctx) })
		b.must(b.rdb.SAdd(ctx, b.lane().key+":paused", "default/w").Err())
		var ids []string
		for range 2*sweepBatch + 1 {
			ids = append(ids, b.accept(acceptance{}).id)
		}
		for rest := ids; len(rest) > 0; {
			n := min(len(rest), 128)
			states, err := b.one.claim(ctx, b.lane(), schema.PriorityNormal, n)
			b.must(err)
			if states, err = b.one.holdBack(ctx, b.lane(), states); err != nil || len(states) > 0 {
				t.Fatal(len(states), err)
			}
			rest = rest[n:]
		}
		look := func() []string {
			v, err := b.keeper.view(ctx, b.lane())
			b.must(err)
			return v.held
		}
		if found := look(); len(found) != 0 {
			t.Errorf("the keeper is to let go %q, which is paused", found)
		}
		// Whoever resumed died after the pause was taken away: the keeper goes on.
		b.must(b.rdb.SRem(ctx, b.lane().key+":paused", "default/w").Err())
		if found := look(); fmt.Sprint(found) != "[default/w]" {
			t.Errorf("the keeper is to let go %q", found)
		}
		b.must(b.keeper.letGo(ctx, q, b.lane(), "default/w", false))
		b.expectMembers("queued:normal", ids...)
		if found := look(); len(found) != 0 {
			t.Errorf("the keeper is still to let go %q", found)
		}
		if put, _ := q.Enqueued(); put != int64(len(ids)) {
			t.Errorf("%d runs have a job; want %d", put, len(ids))
		}
	})
}
