//go:build unix

package contexts

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// locked runs f while this process alone holds the lock beside the file. The
// kernel lets go of the lock of a process that dies.
func locked(path string, f func() error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the directory of the contexts file: %w", err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock the contexts file: %w", err)
	}
	defer lock.Close()
	for {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock the contexts file: %w", err)
	}
	return f()
}
