package execution

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"paragon/schema"
	"paragon/workflows/interpret"
)

// A run whose worker dies is taken over, and may be what the worker died of. It
// counts as harmless again once all that it had under way then has ended, and
// that is durable: that something beside it goes on says nothing. One that is
// there when maxRecoveries workers in a row die is stopped as poison.
//
// What dies with a worker are all the runs that it has. So that a run that kills
// doesn't take the others of its worker along to their end, those of which one
// more death would be the last have a trial: on a worker they begin one after the
// other, the next one when the one before is harmless or has lived for trialFor.
// The others are parked meanwhile, and a parked run is nobody's when a worker
// dies. Where many wait, an eighth of them have their trial together, so that all
// go on within a minute.
const (
	// maxRecoveries is how many workers a run may take down in a row.
	maxRecoveries = 3
	trialFor      = 5 * time.Second
	trialParts    = 8
	// A trial begins trialPause after its run came, so that those that came along
	// are parked by then. They come again at any time within as often trialEvery as
	// there are of them, farAside at most.
	trialPause = 200 * time.Millisecond
	trialEvery = 750 * time.Millisecond
)

// doubt is what may have killed the worker before; nil where none died.
type doubt struct {
	begun bool
	// open are the paths of the attempts that were under way when it died, and
	// of what came due since. A restored machine asks for all of them at once,
	// since what follows an attempt begins only when its end is durable.
	open map[string]struct{}
}

// begin notes what a segment does first.
func (d *doubt) begin(todo []interpret.Action) {
	if d == nil || d.begun {
		return
	}
	d.begun, d.open = true, make(map[string]struct{}, len(todo))
	for i := range todo {
		d.open[todo[i].Path] = struct{}{}
	}
}

// ended notes that an attempt has ended, or that nobody wants its outcome.
func (d *doubt) ended(path string) {
	if d != nil {
		delete(d.open, path)
	}
}

// over tells whether the run is harmless once what ended is durable.
func (d *doubt) over() bool { return d != nil && d.begun && len(d.open) == 0 }

// doubtful makes a segment of a run that was taken over watch what it does
// first, or stops the run.
func (s *segment) doubtful() {
	if s.state.recoveries == 0 {
		return
	}
	s.doubt = &doubt{}
	if s.state.recoveries >= maxRecoveries {
		s.machine.Poison(s.poison().Message)
	}
}

// poison is the error of a run that is stopped, which the log has, too.
func (s *segment) poison() *schema.RunError {
	n := s.state.recoveries
	s.log().Error("a run is stopped: workers died while they executed it", "workers", n)
	return &schema.RunError{Type: "poison", Message: fmt.Sprintf("the run was stopped: %d workers in a row died while they executed it", n)}
}

// cleared says that the run is harmless, durably.
func (s *segment) cleared() {
	s.doubt = nil
	s.w.trials.leave(s)
}

// onTrial tells whether the run may begin only when its trial does.
func (s *segment) onTrial() bool {
	return s.doubt != nil && !s.doubt.begun && s.state.recoveries == maxRecoveries-1
}

// trials are the turns of the runs of which one more death would be the last.
type trials struct {
	mu sync.Mutex
	// on are the runs whose turn it is, since when it began; begun is how many
	// had this turn.
	on    map[*segment]struct{}
	since time.Time
	begun int
	// waiting says when each run that waits comes again; most is how many did at
	// once since there was none.
	waiting map[string]time.Time
	most    int
}

// enter lets a segment have its trial, or says when it is to come again.
func (t *trials) enter(s *segment, now time.Time) (again time.Time, waits bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, on := t.on[s]; on {
		return time.Time{}, false
	}
	delete(t.waiting, s.state.id)
	if len(t.on) == 0 || now.Sub(t.since).Abs() >= trialFor {
		t.turn(now)
	}
	if t.begun <= t.most/trialParts {
		t.on[s] = struct{}{}
		t.begun++
		return time.Time{}, false
	}
	again = now.Add(trialEvery + rand.N(min(time.Duration(1+len(t.waiting))*trialEvery, farAside-trialEvery)))
	t.waiting[s.state.id] = again
	t.most = max(t.most, len(t.waiting))
	return again, true
}

// turn begins a turn.
func (t *trials) turn(now time.Time) {
	t.on, t.since, t.begun = map[*segment]struct{}{}, now, 0
	// Another worker may have those that did not come.
	maps.DeleteFunc(t.waiting, func(_ string, at time.Time) bool { return now.Sub(at) > trialFor })
	if len(t.waiting) == 0 {
		t.waiting, t.most = map[string]time.Time{}, 0
	}
}

// begins is when the trial of a segment that entered begins, if that is later.
func (t *trials) begins(s *segment, now time.Time) (at time.Time, later bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at = t.since.Add(trialPause)
	// It may be another's turn already, and clocks jump.
	_, on := t.on[s]
	return at, on && now.Before(at) && !now.Before(t.since)
}

// leave ends a segment's trial.
func (t *trials) leave(s *segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.on, s)
}
