package execution

import (
	"testing"
	"time"
)

// TestSameRunID makes the id of a chunk's run again, and others beside it.
func TestSameRunID(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	id := sameRunID(at, 33, "chunk/r1/each[0-249]")
	if again := sameRunID(at, 33, "chunk/r1/each[0-249]"); again != id {
		t.Errorf("%s, and again %s", id, again)
	}
	if lane, ok := LaneOfRun(id); !ok || lane != 33 || id[:11] != NewRunID(at, 0)[:11] {
		t.Errorf("%s names lane %d (%t)", id, lane, ok)
	}
	if other := sameRunID(at, 33, "chunk/r1/each[250-499]"); other == id {
		t.Errorf("two chunks have the id %s", id)
	}
}
