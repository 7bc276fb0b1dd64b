package chaos_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDirectoryOfLargeValuesIsFull is TestObjectStorageIsAway with a directory
// that takes nothing more.
func TestDirectoryOfLargeValuesIsFull(t *testing.T) {
	t.Parallel()
	storageAway(t, "dir:"+filepath.Join(t.TempDir(), "payloads"), nil, (*cluster).limitFiles)
}

// limitFiles lets the processes write no file above 100 KB, or any again: what
// they see is what a full disk shows in the middle of a write.
func (c *cluster) limitFiles(yes bool) {
	for _, p := range c.processes {
		if !p.running() {
			continue
		}
		var limit unix.Rlimit
		c.must(unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, nil, &limit))
		if limit.Cur = limit.Max; yes {
			limit.Cur = 100 << 10
		}
		c.must(unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil))
	}
}
