package execution

import (
	"sync"
	"time"
)

// turn spreads runs over the lanes, one lane for a short while or for as many
// runs as a round trip takes: what comes together shares round trips then,
// which costs less than to have one under way in each lane.
type turn struct {
	mu    sync.Mutex
	at    int // the lane whose turn it is
	given int // runs in this turn
	since time.Time
}

// turnTime is how long a lane's turn lasts at most: longer than a round trip,
// and short to whoever looks at the lanes' loads.
const turnTime = 5 * time.Millisecond

func (t *turn) lane(now time.Time, lanes int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.given >= maxAccepts || now.Sub(t.since).Abs() > turnTime {
		t.at, t.given, t.since = (t.at+1)%lanes, 0, now
	}
	t.given++
	return t.at
}
