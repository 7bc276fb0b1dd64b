package function

import (
	"os"

	"golang.org/x/sys/unix"
)

// workerData bounds what a worker process allocates, engine and Go together: a
// backstop behind the engine's own count.
const workerData = 2 << 30

// confine makes the kernel hold the process to limits, and take it first when the
// machine runs out of memory. What a kernel does not support is left out: the
// engine's own limits hold without.
func confine() {
	limit := func(resource int, value uint64) {
		_ = unix.Setrlimit(resource, &unix.Rlimit{Cur: value, Max: value})
	}
	limit(unix.RLIMIT_DATA, workerData)
	limit(unix.RLIMIT_CORE, 0)
	limit(unix.RLIMIT_FSIZE, 0)
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0); err == nil {
		// Nothing is opened from here on but what is open.
		limit(unix.RLIMIT_NOFILE, 16)
	}
}
