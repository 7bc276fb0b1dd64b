package tui

import (
	"fmt"
	"math"
	"testing"
	"time"

	"paragon/schema"
)

func TestTally(t *testing.T) {
	at := func(s float64) time.Time { return noon.Add(time.Duration(s * float64(time.Second))) }
	run := func(status schema.RunStatus, created, started, ended float64) *schema.Run {
		r := &schema.Run{Status: status, CreatedAt: at(created)}
		if s := at(started); started != 0 {
			r.StartedAt = &s
		}
		if e := at(ended); ended != 0 {
			r.EndedAt = &e
		}
		return r
	}
	points := tally([]*schema.Run{
		run(schema.RunSucceeded, -9, -8, -7), // within one step
		run(schema.RunSucceeded, -9, -8, -6),
		run(schema.RunFailed, -14, -7, -6), // waited over a step's end
		run(schema.RunQueued, -3, 0, 0),
		run(schema.RunRunning, -20, -19, 0),
		run(schema.RunSucceeded, -1000, -1000, -999), // long ago
	}, noon.Add(2*time.Second), noon.Add(-100*time.Second))
	if len(points) != 60 {
		t.Fatalf("%d points", len(points))
	}
	last, before, waited := points[59], points[58], points[57]
	if got := fmt.Sprintf("%.1f", before); got != "{0.4 0.4 0.2 3.0 8.0 0.0 0.0 1.0}" {
		t.Errorf("the step before: %s", got)
	}
	if last.queued != 1 || last.oldest != 3 || last.open != 2 || last.accepted != 0.2 {
		t.Errorf("the last step: %+v", last)
	}
	if waited.queued != 1 || waited.oldest != 4 || waited.open != 2 {
		t.Errorf("the step in which one waited: %+v", waited)
	}
	if f := before.failing(); math.Abs(f-100.0/3) > 1e-9 {
		t.Errorf("%v %% failed", f)
	}
	if !math.IsNaN(points[0].accepted) || math.IsNaN(points[50].accepted) || !math.IsNaN(last.failing()) {
		t.Error("what is not known has a number, or what is has none")
	}
}

// More runs than are known at a time: the steps before keep their counts, and
// no run between two looks is left out.
func TestTheOverviewRemembers(t *testing.T) {
	f := newFake()
	r := newRig(t, f)
	v := r.open().(*overview)
	n := 0
	for range 24 { // seconds, with 2,500 runs in each
		second := make([]schema.Run, 2500)
		for i := range second {
			n++
			at := r.clock.Add(time.Duration(i) * 400 * time.Microsecond)
			second[len(second)-1-i] = schema.Run{ID: runID(n), Status: schema.RunSucceeded, CreatedAt: at, StartedAt: &at, EndedAt: &at}
		}
		f.runs = append(second, f.runs...)
		r.frame()
	}
	if len(v.log.runs) > mostTallied+mostPages*bigPage || v.log.next == "" {
		t.Fatalf("%d runs are held, more after %q", len(v.log.runs), v.log.next)
	}
	whole := 0
	for _, p := range v.points {
		if p.accepted == 2500 {
			whole++
		}
	}
	if whole < 4 {
		t.Errorf("only %d steps show all of their runs: %v", whole, v.points[50:])
	}
}

// The list of workflows has what was counted of each, and can be sorted by it.
func TestWorkflowsHaveNumbers(t *testing.T) {
	r := newRig(t, some())
	r.goTo(":workflows⏎")
	r.frame()
	r.shows("lead-sync")
	l := latelyOf([]*schema.Run{
		{Status: schema.RunFailed, CreatedAt: noon.Add(-time.Minute), EndedAt: &noon},
		{Status: schema.RunSucceeded, CreatedAt: noon.Add(-time.Second), EndedAt: &noon},
		{Status: schema.RunRunning, CreatedAt: noon},
	}, noon, noon.Add(-tallyOver))
	if l.runs != 3 || l.failing != 50 || l.p99 != 60 || len(l.accepted) != int(tallyOver/tallyStep) {
		t.Errorf("%+v", l)
	}
	r.press("s", "s")
	r.shows("runs▼")
	r.press("s")
	r.shows("fail %▼")
}
