//go:build !unix

package contexts

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// locked runs f while this process alone holds the lock file beside the file.
// A lock older than ten seconds is one that a dead process left.
func locked(path string, f func() error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the directory of the contexts file: %w", err)
	}
	name := path + ".lock"
	for {
		lock, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			lock.Close()
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("lock the contexts file: %w", err)
		}
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > 10*time.Second {
			os.Remove(name)
			continue
		}
		time.Sleep(10 * time.Millisecond)
	}
	defer os.Remove(name)
	return f()
}
