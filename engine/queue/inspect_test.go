package queue

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/schema"
)

func TestDepths(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := within(t, patience)
		i := NewInspector(rdb, Lanes(2))
		client := producerOf(t, rdb, ClientOptions{})
		target := Target{Lane: 1, Priority: schema.PriorityHigh}
		before := time.Now()
		for _, id := range []string{"a", "b"} {
			if err := client.Enqueue(ctx, target, id); err != nil {
				t.Fatal(err)
			}
		}
		ds, err := i.Depths(ctx)
		if err != nil || len(ds) != 6 {
			t.Fatalf("%d depths, %v", len(ds), err)
		}
		for _, d := range ds {
			want := int64(0)
			if d.Target == target {
				want = 2
				if d.Oldest.Before(before) || d.Oldest.After(time.Now()) {
					t.Errorf("oldest = %v", d.Oldest)
				}
			} else if !d.Oldest.IsZero() {
				t.Errorf("%s: oldest = %v", d.Target, d.Oldest)
			}
			if d.Pending != want || d.Active != 0 || d.Retry != 0 || d.Paused {
				t.Errorf("%+v, want %d pending", d, want)
			}
		}
		if _, ok, err := i.OldestPending(ctx, Target{}); ok || err != nil {
			t.Errorf("an empty queue: %v %v", ok, err)
		}
		first, ok, err := i.OldestPending(ctx, target)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		abandon(t, rdb, target, time.Now())
		second, ok, err := i.OldestPending(ctx, target)
		if !ok || err != nil || !second.After(first) {
			t.Errorf("the next is from %v, the one before from %v, %v", second, first, err)
		}
		if _, _, err := i.OldestPending(ctx, Target{Lane: -1}); err == nil {
			t.Error("lane -1 is accepted")
		}
	})
}

func TestPauseAndResume(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := within(t, patience)
		i := NewInspector(rdb, Lanes(1))
		in := newInbox()
		c := consume(t, rdb, ConsumerOptions{Handler: in.handle, Safety: time.Hour})
		idle(t, c)
		low := Target{Priority: schema.PriorityLow}
		for range 2 { // twice is no error
			if err := i.Pause(ctx, low); err != nil {
				t.Fatal(err)
			}
		}
		client := producerOf(t, rdb, ClientOptions{})
		if err := client.Enqueue(ctx, low, "paused"); err != nil {
			t.Fatal(err)
		}
		if err := client.Enqueue(ctx, Target{}, "open"); err != nil {
			t.Fatal(err)
		}
		in.has(t, "open")
		if in.count["paused"] != 0 {
			t.Error("a paused queue was served")
		}
		ds, err := i.Depths(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range ds {
			if d.Paused != (d.Target == low) {
				t.Errorf("%+v", d)
			}
		}
		for range 2 {
			if err := i.Resume(ctx); err != nil { // all
				t.Fatal(err)
			}
		}
		in.has(t, "paused")
		if err := i.Pause(ctx); err != nil { // all
			t.Fatal(err)
		}
		if n := rdb.Exists(context.Background(), keysOf(low).paused, keysOf(Target{}).paused).Val(); n != 2 {
			t.Errorf("%d queues are paused", n)
		}
	})
}

func TestInspectorErrors(t *testing.T) {
	i := NewInspector(connect(t, "127.0.0.1:1"), Lanes(1))
	ctx := within(t, patience)
	if _, err := i.Depths(ctx); err == nil {
		t.Error("Depths without Redis")
	}
	if err := i.Pause(ctx); err == nil {
		t.Error("Pause without Redis")
	}
	if err := i.Resume(ctx, Target{Priority: "urgent"}); err == nil {
		t.Error("Resume of nonsense")
	}
	if _, err := parseDepth(Target{}, []any{int64(1)}); err == nil {
		t.Error("a short reply")
	}
}
