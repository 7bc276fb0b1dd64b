package execution

import (
	"fmt"
	"testing"
	"time"
)

func TestSignalsThatCameBeforeTheRun(t *testing.T) {
	var e early
	now := time.Now()
	if e.take("a") {
		t.Error("a signal that never came")
	}
	e.note("a", now)
	e.note("b", now)
	now = now.Add(earlyKept)
	e.note("c", now)
	if !e.take("a") || e.take("a") || !e.take("c") {
		t.Error("a signal is told other than once")
	}
	// Others' don't stay, and are not too many.
	e.note("d", now.Add(earlyKept))
	if e.take("b") {
		t.Error("a signal is kept for too long")
	}
	for i := range 5 * mostEarly {
		e.note(fmt.Sprint(i), now)
	}
	if n := len(e.newer) + len(e.older); n > 2*mostEarly {
		t.Errorf("%d are kept", n)
	}
}
