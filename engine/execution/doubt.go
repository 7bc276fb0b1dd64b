package execution

import (
	"fmt"
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
// more death would be the last have a trial each: on a worker they begin one
// after the other, the next one when the one before is harmless or has lived for
// trialFor. The others are parked meanwhile, and a parked run is nobody's when a
// worker dies.
const (
	// maxRecoveries is how many workers a run may take down in a row.
	maxRecoveries = 3
	trialFor      = 5 * time.Second
	// A trial begins trialPause after its run came, so that those that came along
	// are parked by then. They come again one every trialEvery, after farAside at
	// most.
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
	mu    sync.Mutex
	who   *segment
	since time.Time
	next  time.Time // when the latest of those that wait comes again
}

// enter lets a segment have its trial, or says when it is to come again.
func (t *trials) enter(s *segment, now time.Time) (again time.Time, waits bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.who == s:
		return time.Time{}, false
	case t.who == nil || now.Sub(t.since).Abs() >= trialFor:
		t.who, t.since = s, now
		return time.Time{}, false
	case t.next.Before(now):
		t.next = now
	}
	t.next = t.next.Add(trialEvery)
	if most := now.Add(farAside); t.next.After(most) {
		t.next = most
	}
	return t.next, true
}

// begins is when the trial of a segment that entered begins, if that is later.
func (t *trials) begins(s *segment, now time.Time) (at time.Time, later bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at = t.since.Add(trialPause)
	// It may be another's turn already, and clocks jump.
	return at, t.who == s && now.Before(at) && !now.Before(t.since)
}

// leave ends a segment's trial.
func (t *trials) leave(s *segment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.who == s {
		t.who = nil
	}
}
