package daemon

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow to five times what lives before it is collected:
// a worker's live heap is small, and collecting it at twice its size takes a
// fifth of the processor under load (make bench).
const gcPercent = 400

// TuneMemory sets the garbage collector's pace for a process of Paragon, unless
// GOGC says otherwise.
func TuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
