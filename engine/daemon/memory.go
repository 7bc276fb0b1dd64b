package daemon

import (
	"os"
	"runtime/debug"
	"sync"
)

// gcPercent lets the heap grow to five times what lives before it is collected:
// a worker's live heap is small, and collecting it at twice its size takes a
// fifth of the processor under load (make bench).
const gcPercent = 400

// floor keeps a process with next to nothing alive from collecting it many
// times a second: it counts as alive, and since nothing is ever written to it,
// it takes no memory. The heap may so grow to some 200 MB before it is
// collected.
var floor = sync.OnceValue(func() []byte { return make([]byte, 32<<20) })

// TuneMemory sets the garbage collector's pace for a process of Paragon, unless
// GOGC says otherwise.
func TuneMemory() {
	if os.Getenv("GOGC") == "" {
		floor()
		debug.SetGCPercent(gcPercent)
	}
}
