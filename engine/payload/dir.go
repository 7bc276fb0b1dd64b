package payload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// dir is a bucket in a directory. Several processes may share one.
type dir struct{ root string }

// partial ends the names of files that are being written.
const partial = ".partial"

// OpenDir makes a bucket of a directory, which it creates.
func OpenDir(root string) (Bucket, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of payloads: %w", err)
	}
	return &dir{root: root}, nil
}

func (d *dir) path(key string) string { return filepath.Join(d.root, filepath.FromSlash(key)) }

// Put writes beside the object and then renames, each brought to the disk.
func (d *dir) Put(_ context.Context, key string, value []byte) error {
	path := d.path(key)
	if err := d.makeParents(filepath.Dir(path)); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*"+partial)
	if err != nil {
		return err
	}
	_, err = f.Write(value)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

// makeParents makes the folders of an object, durably: what is in a folder is
// lost with it.
func (d *dir) makeParents(folder string) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for at := folder; len(at) > len(d.root); {
		at = filepath.Dir(at)
		if err := syncDir(at); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *dir) Get(_ context.Context, key string, limit int64) ([]byte, error) {
	f, err := os.Open(d.path(key))
	if err != nil {
		return nil, missing(err)
	}
	defer f.Close()
	return readUpTo(f, limit)
}

// readUpTo reads all, at most limit bytes.
func readUpTo(r io.Reader, limit int64) ([]byte, error) {
	value, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(value)) > limit {
		return nil, ErrDamaged
	}
	return value, nil
}

func (d *dir) Size(_ context.Context, key string) (int64, error) {
	info, err := os.Stat(d.path(key))
	if err != nil {
		return 0, missing(err)
	}
	return info.Size(), nil
}

func (d *dir) Delete(_ context.Context, key string) error {
	path := d.path(key)
	err := missing(os.Remove(path))
	if err == nil || errors.Is(err, ErrMissing) {
		_ = os.Remove(filepath.Dir(path)) // the day's folder, once it is empty
		return nil
	}
	return err
}

func (d *dir) Folders(_ context.Context, prefix string, do func(name string) error) error {
	entries, err := os.ReadDir(d.path(prefix))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := do(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// List also has what was left by writes that were cut off.
func (d *dir) List(ctx context.Context, prefix string, do func(name string, written time.Time) error) error {
	entries, err := os.ReadDir(d.path(prefix))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(ctx.Err(), do(e.Name(), info.ModTime())); err != nil {
			return err
		}
	}
	return nil
}

// Ping writes and removes a file, so that a full or read-only disk shows.
func (d *dir) Ping(context.Context) error {
	f, err := os.CreateTemp(d.root, "ping.*"+partial)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// missing is ErrMissing for a file that does not exist.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (%s)", ErrMissing, strings.TrimSpace(err.Error()))
	}
	return err
}
