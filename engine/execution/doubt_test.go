package execution

import (
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
	trials, first, second, third := &trials{}, &segment{}, &segment{}, &segment{}
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
	if a, b := enters(second, false), enters(third, false); a.Sub(now) != trialEvery || b.Sub(a) != trialEvery {
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
	// However many wait, each comes again.
	for range 1000 {
		if again := enters(second, false); again.Sub(now) > farAside {
			t.Fatalf("comes again after %v", again.Sub(now))
		}
	}
	// A clock that jumps back holds nobody up.
	now = now.Add(-time.Hour)
	if _, later := trials.begins(third, now); later {
		t.Error("the trial waits for the clock to come back")
	}
	enters(first, true)
}
