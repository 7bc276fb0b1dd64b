package execution

import (
	"context"
	"testing"
	"time"

	"paragon/engine/queue"
)

// TestRoomGoesToTheHigherPriority lets queues wait for room and looks who gets it.
func TestRoomGoesToTheHigherPriority(t *testing.T) {
	w := NewWorker(WorkerOptions{Capacity: 1, Lanes: 2})
	high, normal, low := queue.Target{Priority: "high"}, queue.Target{Lane: 1, Priority: "normal"}, queue.Target{Priority: "low"}
	passed := make(chan queue.Target, 3)
	asks := func(target queue.Target) {
		t.Helper()
		w.mu.Lock()
		rank := w.queues.rank(target.Priority)
		before := w.queues.asking[rank]
		w.mu.Unlock()
		go func() {
			if err := w.ready(t.Context(), target); err == nil {
				passed <- target
			}
		}()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			w.mu.Lock()
			there := w.queues.asking[rank] > before
			w.mu.Unlock()
			if there {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s does not wait", target)
			}
		}
	}
	expect := func(want queue.Target) {
		t.Helper()
		select {
		case got := <-passed:
			if got != want {
				t.Fatalf("%s goes first; want %s", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s does not go", want)
		}
	}
	holds := func() {
		t.Helper()
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.queues.asking[1] != 1 || w.queues.asking[2] != 1 {
			t.Fatalf("%d normal and %d low wait; want 1 of each", w.queues.asking[1], w.queues.asking[2])
		}
	}
	seg := &segment{w: w, state: &state{id: "r"}}
	w.active["r"] = seg
	for _, target := range []queue.Target{low, normal, high} {
		asks(target)
	}
	w.looked(high, true)
	w.end(seg) // room
	expect(high)
	holds() // until it is known what high has now
	w.looked(high, true)
	holds()
	w.looked(normal, true) // by a look that was under way
	w.looked(high, false)
	expect(normal)
	w.looked(normal, false)
	expect(low)

	// One that had something goes before also while there is room.
	w.looked(normal, true)
	asks(low)
	if err := w.ready(t.Context(), high); err != nil {
		t.Fatal(err)
	}
	w.looked(normal, false)
	expect(low)

	w.looked(high, true)
	over, end := context.WithCancel(t.Context())
	end()
	if w.ready(over, low) == nil {
		t.Fatal("the end of fetching is not noticed by a queue that yields")
	}
}
