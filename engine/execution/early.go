package execution

import "time"

// early are the runs for which a signal came and which are not here: other
// workers', and those whose claim's reply is on its way, which does not have the
// signal. Of the worker's mutex.
type early struct {
	since        time.Time // of the newer ones
	newer, older map[string]struct{}
}

// They are kept for earlyKept to twice that, and no more than twice mostEarly.
const (
	earlyKept = 10 * time.Second
	mostEarly = 10_000
)

func (e *early) note(id string, now time.Time) {
	if e.newer == nil || len(e.newer) >= mostEarly || now.Sub(e.since).Abs() >= earlyKept {
		e.newer, e.older, e.since = map[string]struct{}{}, e.newer, now
	}
	e.newer[id] = struct{}{}
}

// take tells whether a signal came for a run that is here now.
func (e *early) take(id string) bool {
	if len(e.newer) == 0 && len(e.older) == 0 {
		return false
	}
	_, newer := e.newer[id]
	_, older := e.older[id]
	delete(e.newer, id)
	delete(e.older, id)
	return newer || older
}
