package execution

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"paragon/workflows/interpret"
)

func TestOnlyTheEndOfWhatWasUnderWayForgives(t *testing.T) {
	actions := func(paths ...string) (out []interpret.Action) {
		for _, path := range paths {
			out = append(out, interpret.Action{Path: path})
		}
		return out
	}
	var none *doubt
	none.begin(actions("a"))
	none.ended("a")
	if none.over() {
		t.Error("a run that was never taken over is forgiven")
	}
	d := &doubt{}
	if d.over() {
		t.Error("forgiven before anything began")
	}
	d.begin(actions("hangs", "quick[0]/a"))
	for _, path := range []string{"quick[0]/a", "quick[1]/a", "quick[2]/a"} {
		d.begin(actions(path)) // what begins later says nothing
		d.ended(path)
		if d.over() {
			t.Fatalf("forgiven once %s has ended", path)
		}
	}
	d.ended("hangs")
	if !d.over() {
		t.Error("not forgiven though all has ended")
	}
	idle := &doubt{}
	idle.begin(nil)
	if !idle.over() {
		t.Error("not forgiven though nothing was under way")
	}
}

func TestTrialsAreOneAfterTheOther(t *testing.T) {
	now := time.Now()
	suspect := func(id string) *segment { return &segment{state: &state{id: id}} }
	trials, first, second, third := &trials{}, suspect("1"), suspect("2"), suspect("3")
	enters := func(s *segment, want bool) time.Time {
		t.Helper()
		again, waits := trials.enter(s, now)
		if waits == want {
			t.Fatalf("it waits: %v", waits)
		}
		return again
	}
	enters(first, true)
	if at, later := trials.begins(first, now); !later || at.Sub(now) != trialPause {
		t.Errorf("the trial begins in %v; want those that came along to be gone first", at.Sub(now))
	}
	if a, b := enters(second, false), enters(third, false); a.Sub(now) < trialEvery || a.Sub(now) > 2*trialEvery || b.Sub(now) > 3*trialEvery {
		t.Errorf("the others come again after %v and %v", a.Sub(now), b.Sub(now))
	}
	now = now.Add(trialPause)
	enters(first, true) // it goes on
	if _, later := trials.begins(first, now); later {
		t.Error("its trial does not begin")
	}
	// One that is harmless leaves, one that takes long does not keep the others.
	trials.leave(first)
	enters(second, true)
	trials.leave(first)
	enters(third, false)
	now = now.Add(trialFor)
	enters(third, true)
	enters(first, false)
	// A clock that jumps back holds nobody up.
	now = now.Add(-time.Hour)
	if _, later := trials.begins(third, now); later {
		t.Error("the trial waits for the clock to come back")
	}
	enters(first, true)
}

// TestManySuspectsGoOnWithinAMinute plays a worker that takes over many runs
// whose calls outlast their trial.
func TestManySuspectsGoOnWithinAMinute(t *testing.T) {
	for _, n := range []int{1, 7, 40, 2000} {
		trials, now := &trials{}, time.Now()
		began, comes := now, slices.Repeat([]time.Time{now}, n)
		together, most := map[time.Time]int{}, 0
		for left := n; left > 0; now = now.Add(10 * time.Millisecond) {
			for i, at := range comes {
				if now.Before(at) {
					continue
				}
				again, waits := trials.enter(&segment{state: &state{id: strconv.Itoa(i)}}, now)
				if waits {
					comes[i] = again
					continue
				}
				comes[i] = now.Add(24 * time.Hour) // it is on
				together[trials.since]++
				most = max(most, together[trials.since])
				left--
			}
		}
		t.Logf("%d suspects: all on in %v, at most %d at once", n, now.Sub(began), most)
		if now.Sub(began) > time.Minute+10*time.Second {
			t.Errorf("%d suspects went on after %v", n, now.Sub(began))
		}
		if most > 1+n/trialParts {
			t.Errorf("%d of %d had their trial at once", most, n)
		}
	}
}
