package tui

import (
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/schema/api"
)

// event is what a stream tells when a second has ended: so many runs succeeded
// in it, and others in seconds before, told late.
func event(to time.Time, now int64, late ...api.StatsPoint) *api.Stats {
	return &api.Stats{From: to.Add(-time.Second), To: to, StepSeconds: 1, Workers: api.WorkerStats{Alive: 1},
		Points: append(late, counts(to.Add(-time.Second), now))}
}

func counts(at time.Time, n int64) api.StatsPoint {
	return api.StatsPoint{At: at, StatsNumbers: api.StatsNumbers{Succeeded: n, DurationP50Ms: float64(n)}}
}

// ends are how many runs ended in each of the last seconds.
func (l *live) ends(n int) (out []int64) {
	for _, p := range l.points[len(l.points)-n:] {
		out = append(out, p.Ended())
	}
	return out
}

func same(t *testing.T, what string, got []int64, want ...int64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}

func TestSecondsAddUp(t *testing.T) {
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	l := &live{}
	l.take(&api.Stats{From: at(-300), To: at(0), StepSeconds: 1, Points: []api.StatsPoint{counts(at(-2), 5), counts(at(-1), 7)}})
	same(t, "the window", l.ends(3), 0, 5, 7)
	if len(l.points) != 300 {
		t.Fatalf("%d points", len(l.points))
	}
	l.add(event(at(1), 3))
	same(t, "a second more", l.ends(3), 5, 7, 3)
	l.add(event(at(2), 4, counts(at(0), 2), counts(at(-1), 9)))
	same(t, "what came late; what the window had is not counted twice", l.ends(4), 5, 7, 5, 4)
	if p := l.points[len(l.points)-2]; p.DurationP50Ms != 3 {
		t.Errorf("p50 is %v; want that of the larger part", p.DurationP50Ms)
	}
	if l.gap || len(l.points) != 300 {
		t.Errorf("gap %v, %d points", l.gap, len(l.points))
	}
	l.add(event(at(5), 1))
	same(t, "after two that were missed", l.ends(4), 4, 0, 0, 1)
	if !l.gap || !l.points[297].unknown || !l.points[298].unknown || l.points[299].unknown {
		t.Errorf("gap %v: what was missed is not told from nothing: %+v", l.gap, l.points[297:])
	}
	l.take(&api.Stats{From: at(-296), To: at(4), StepSeconds: 1, Points: []api.StatsPoint{counts(at(2), 6), counts(at(3), 8)}})
	same(t, "read again, with a second that is newer", l.ends(3), 6, 8, 1)
	if l.points[298].unknown || l.points[299].gauges == nil || len(l.points) != 300 {
		t.Errorf("%d points; the last are %+v", len(l.points), l.points[297:])
	}
	l.add(event(at(4), 8))
	same(t, "an event of a second that is known", l.ends(3), 6, 8, 1)
}

// A second of which only a half is known counts as half a second, and the other
// half comes to it; rates are over the newest second, sums over the window and
// what came since.
func TestHalvesAddUp(t *testing.T) {
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }
	half := func(from int, n int64) *api.Stats {
		numbers := api.StatsNumbers{Succeeded: n}
		return &api.Stats{From: at(from), To: at(from + 500), StepSeconds: 1, Total: numbers,
			Points:    []api.StatsPoint{counts(at(from).Truncate(time.Second), n)},
			Workflows: []api.SeriesStats{{Name: "w", StatsNumbers: numbers}}}
	}
	window := func(to int, n int64) *api.Stats {
		numbers := api.StatsNumbers{Succeeded: n}
		return &api.Stats{From: at(to - 300_000), To: at(to), StepSeconds: 1, Total: numbers,
			Points: []api.StatsPoint{counts(at(to-1000), n)}, Workflows: []api.SeriesStats{{Name: "w", StatsNumbers: numbers}}}
	}
	l := &live{}
	l.take(window(0, 7))
	l.add(half(0, 3))
	same(t, "half a second more", l.ends(2), 7, 3)
	if p := l.points[299]; p.seconds != 0.5 || p.rate(p.Succeeded) != 6 || l.rate("w") != 6 || l.rate("none") != 0 {
		t.Errorf("%v runs in %v s, %v a second", p.Succeeded, p.seconds, l.rate("w"))
	}
	l.add(half(500, 5))
	same(t, "the other half", l.ends(2), 7, 8)
	if p := l.points[299]; p.seconds != 1 || l.rate("w") != 8 || l.gap || len(l.points) != 300 {
		t.Errorf("%v s, %v a second, gap %v, %d points", p.seconds, l.rate("w"), l.gap, len(l.points))
	}
	l.add(half(1000, 1))
	same(t, "and a half", l.ends(3), 7, 8, 1)
	if l.window.Total.Succeeded != 16 || l.window.Workflows[0].Succeeded != 16 {
		t.Errorf("all are %d, those of the workflow %d; want 16", l.window.Total.Succeeded, l.window.Workflows[0].Succeeded)
	}
	// The window that is read now ends before the half that is known.
	l.take(window(1000, 8))
	same(t, "read again", l.ends(2), 8, 1)
	if l.window.Total.Succeeded != 9 || l.points[299].seconds != 0.5 {
		t.Errorf("all are %d, want 9; the last has %v s", l.window.Total.Succeeded, l.points[299].seconds)
	}
	l.add(half(1500, 2))
	same(t, "the other half again", l.ends(2), 8, 3)
	// One is missed, in the middle of a second.
	l.add(half(2500, 4))
	same(t, "after one that was missed", l.ends(2), 3, 4)
	if p := l.points[299]; !l.gap || p.unknown || p.seconds != 1 {
		t.Errorf("gap %v, %+v", l.gap, p)
	}
}

// What is missed is read again, and so is what went by while the screen stood
// still.
func TestGapsAreRead(t *testing.T) {
	r := newRig(t, busy())
	asked := func() (n int) {
		for _, a := range r.server.asked {
			if a == "stats 5m0s" {
				n++
			}
		}
		return n
	}
	before := asked()
	r.press("p")
	for range 10 {
		r.frame()
	}
	r.shows("the screen stands still since 10 s")
	if asked() != before {
		t.Errorf("the window was asked for while the screen stood still")
	}
	r.press("p")
	r.frame()
	if asked() != before+1 {
		t.Errorf("the window was asked for %d times after the screen had stood still", asked()-before)
	}
}

// The stream ends, or falls silent: what was known stays, its age is told, and
// it is opened again.
func TestTheStreamComesBack(t *testing.T) {
	r := newRig(t, busy())
	first := r.live.stream
	r.hears(gone)
	r.shows("numbers stale 0 s", "connection refused; trying again every second", "runs ended in 5m")
	r.frame() // it is opened
	r.frame() // and tells something
	r.shows("!stale")
	if r.live.stream != first+1 {
		t.Errorf("stream %d after %d", r.live.stream, first)
	}
	// One that was given up says nothing more.
	r.send(secondMsg{stream: first, err: gone})
	r.shows("!stale")

	r.clock = r.clock.Add(silentFor + time.Second)
	r.send(frameMsg{})
	r.shows("numbers stale 6 s", "fallen silent")
	r.frame()
	r.frame()
	r.shows("!stale")

	// A server that is about to stop ends it; that is no failure.
	r.send(secondMsg{stream: r.live.stream})
	r.shows("!stale")
	r.frame()
	if !r.live.open || r.live.stream != first+3 {
		t.Errorf("stream %d, open %v", r.live.stream, r.live.open)
	}
}

// A server that has no numbers is asked no more, and the views say so.
func TestNoStatistics(t *testing.T) {
	f := busy()
	r := newRig(t, f)
	none := &schema.Problem{Status: 404, Type: schema.ProblemNotFound}
	r.live.read = question{err: none}
	r.hears(none)
	r.send(frameMsg{})
	r.shows("This server shows no statistics.", "!trying again")
	if r.live.open {
		t.Error("the stream was opened again")
	}
}

// One second with nothing but a failure does not make the current value 100.
func TestFailingIsOverAFewSeconds(t *testing.T) {
	points := []point{{seconds: 1, StatsNumbers: api.StatsNumbers{Failed: 50}}}
	for range recent - 1 {
		points = append(points, point{seconds: 1, StatsNumbers: api.StatsNumbers{Succeeded: 1}})
	}
	points = append(points, point{seconds: 1, StatsNumbers: api.StatsNumbers{Failed: 1}})
	fails := metricsOf(points, "5m")[1].series[0]
	if want := 100.0 / recent; fails.now != want || fails.values[recent] != 100 {
		t.Errorf("now %v, want %v; %v", fails.now, want, fails.values)
	}
}

func TestLongerWindows(t *testing.T) {
	r := newRig(t, busy())
	r.shows("Throughput runs/s · 5m", "w longer: 1h")
	r.press("w")
	r.shows("Throughput runs/s · 1h", "runs ended in 1h", "Busiest workflows · 1h")
	r.press("w", "w")
	r.shows("Throughput runs/s · 7d")
	r.press("w")
	r.shows("Throughput runs/s · 5m")
	r.press("W")
	r.shows("Throughput runs/s · 7d")
}

// Proxy calls have a plot when there are integrations.
func TestCallsAreDrawn(t *testing.T) {
	r := newRig(t, busy())
	r.send(tea.WindowSizeMsg{Width: 200, Height: 50})
	r.shows("!API calls")
	calls := api.StatsNumbers{Succeeded: 90, Failed: 10}
	r.live.window.Integrations = []api.SeriesStats{{Name: "crm", StatsNumbers: calls, Trend: make([]int64, 30)}}
	r.live.before, r.live.last = nil, &api.Stats{From: noon, To: noon.Add(time.Second), Integrations: []api.SeriesStats{{Name: "crm", StatsNumbers: calls}}}
	r.shows("API calls", "100 · 10% failed", "Busiest workflows")
}

// In bubbletea itself: a second that ended is on the screen, and a stream that
// ended is opened again.
func TestFlowNumbers(t *testing.T) {
	f := story()
	tm, see := program(t, f)
	see("ended in 5m")
	f.mu.Lock()
	start := noon.Add(100 * time.Millisecond)
	for i := range 42 {
		end := start.Add(time.Duration(i) * time.Millisecond)
		f.runs = append(f.runs, schema.Run{ID: runID(500 + i), Workflow: "rush", Status: schema.RunSucceeded, CreatedAt: noon, StartedAt: &start, EndedAt: &end})
	}
	f.mu.Unlock()
	f.ticks <- noon.Add(time.Second)
	see("8.4") // 42 in a second, over five
	f.ticks <- time.Time{}
	f.ticks <- noon.Add(2 * time.Second) // somebody listens again
	f.ticks <- noon.Add(3 * time.Second)
	left(t, tm)
}
