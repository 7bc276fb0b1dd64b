package execution

import (
	"testing"
	"time"
)

func TestTurnsGoRoundAllLanes(t *testing.T) {
	var turn turn
	at := time.Unix(1_700_000_000, 0)
	count := make([]int, 4)
	for range 8 * maxAccepts { // at one moment: by number
		count[turn.lane(at, len(count))]++
	}
	for lane, n := range count {
		if n != 2*maxAccepts {
			t.Errorf("lane %d got %d of %d runs; want a quarter", lane, n, 8*maxAccepts)
		}
	}
	first := turn.lane(at, 4)
	if again := turn.lane(at.Add(turnTime), 4); again != first {
		t.Errorf("lane %d, then %d within a turn", first, again)
	}
	if next := turn.lane(at.Add(2*turnTime), 4); next != (first+1)%4 {
		t.Errorf("after a turn of lane %d comes %d", first, next)
	}
	if next := turn.lane(at.Add(-time.Hour), 4); next != (first+2)%4 {
		t.Errorf("when the clock was set back the turn stays at %d", next)
	}
}
