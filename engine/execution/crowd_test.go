package execution

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// crowdedWorker has runs of a workflow under way, each with a call since a time.
func crowdedWorker(capacity int) (w *Worker, calling func(workflow string, n int, since time.Time) []*segment) {
	w = &Worker{opts: WorkerOptions{Capacity: capacity}, active: map[string]*segment{}, log: slog.New(slog.DiscardHandler)}
	w.room = sync.NewCond(&w.mu)
	return w, func(workflow string, n int, since time.Time) []*segment {
		segs := make([]*segment, n)
		for i := range segs {
			segs[i] = &segment{w: w, state: &state{id: fmt.Sprint(workflow, len(w.active)), start: start{Project: "p", Workflow: workflow}}}
			segs[i].calls.begin(since)
			w.active[segs[i].state.id] = segs[i]
		}
		return segs
	}
}

func TestSlowCallsLeavePlaces(t *testing.T) {
	now := time.Now()
	w, calling := crowdedWorker(100)
	calling("slow", 100, now.Add(-2*slowAfter))
	if w.taken() != 100 {
		t.Fatalf("%d places are taken", w.taken())
	}
	w.lookAtCalls(now)
	if w.taken() != 0 {
		t.Errorf("%d places are taken by calls that take long", w.taken())
	}
	// More are spared than the capacity never.
	calling("slow", 100, now.Add(-2*slowAfter))
	quick := calling("quick", 1, now)[0]
	w.lookAtCalls(now)
	if w.taken() != 101 {
		t.Errorf("%d places are taken by 201 runs; want 101", w.taken())
	}
	if _, yes := w.aside(quick, now); yes {
		t.Error("a run makes way though its workflow's calls are quick")
	}
	// One that ends gives back what it had.
	for id, seg := range w.active {
		if seg.spared {
			w.end(seg)
			if _, there := w.active[id]; there || w.taken() != 101 {
				t.Errorf("%d places are taken after a run that had none ended", w.taken())
			}
			break
		}
	}
	// Once nothing is slow any more, all count, and the workflow is free later.
	for _, seg := range w.active {
		seg.calls.end(now)
	}
	w.lookAtCalls(now.Add(time.Second))
	if w.taken() != len(w.active) || !w.crowding.some.Load() {
		t.Errorf("%d of %d places are taken", w.taken(), len(w.active))
	}
	w.lookAtCalls(now.Add(crowdFor + time.Second))
	if w.crowding.some.Load() {
		t.Error("a workflow that is not slow any more counts as such")
	}
}

func TestWhoCrowdsMakesWay(t *testing.T) {
	now := time.Now()
	w, calling := crowdedWorker(100)
	calling("slow", 60, now.Add(-2*slowAfter))
	w.lookAtCalls(now)
	next := calling("slow", 1, now)[0]
	if _, yes := w.aside(next, now); yes {
		t.Error("a run makes way though there is room")
	}
	calling("slow", 50, now) // with these, more than half of the places
	first, yes := w.aside(next, now)
	if !yes || first.Before(now.Add(aside)) || first.After(now.Add(2*aside)) {
		t.Errorf("a run of the crowd comes again at %v (%v)", first.Sub(now), yes)
	}
	if second, _ := w.aside(next, now); second.Sub(first) != 10*time.Millisecond {
		t.Errorf("the next comes %v later", second.Sub(first))
	}
	for range 10000 {
		w.aside(next, now)
	}
	if last, _ := w.aside(next, now); last.Sub(now) != farAside {
		t.Errorf("the ten thousandth comes again after %v", last.Sub(now))
	}
	other := calling("other", 1, now)[0]
	if _, yes := w.aside(other, now); yes {
		t.Error("a run of another workflow makes way")
	}
}
