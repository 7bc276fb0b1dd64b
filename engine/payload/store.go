package payload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrUnavailable says that object storage does not answer, or refuses to:
	// the same may work later.
	ErrUnavailable = errors.New("object storage does not answer")
	// ErrMissing says that object storage has no such value (any more).
	ErrMissing = errors.New("the value is not in object storage: it may be older than history is kept")
	// ErrDamaged says that what object storage has is not what was put there.
	ErrDamaged = errors.New("the value in object storage is damaged: it does not have the digest that it was kept under")
	// ErrTooLarge says that a value is larger than any that is kept.
	ErrTooLarge = fmt.Errorf("a value may have at most %d bytes", Max)
	// errNone says that a reference is to be read where there is no storage.
	errNone = fmt.Errorf("%w: this process has none (--payloads)", ErrUnavailable)
)

// Bucket is where objects are. Its methods are safe for concurrent use. An
// object is written whole or not at all.
type Bucket interface {
	// Put writes an object, over one that is there.
	Put(ctx context.Context, key string, value []byte) error
	// Get reads an object of at most limit bytes; ErrMissing when there is none,
	// ErrDamaged when it has more.
	Get(ctx context.Context, key string, limit int64) ([]byte, error)
	// Size is how many bytes an object has; ErrMissing when there is none.
	Size(ctx context.Context, key string) (int64, error)
	// Delete removes an object. It is no error when there is none.
	Delete(ctx context.Context, key string) error
	// Folders calls do with the name of each folder below a prefix that ends in
	// a slash, or is empty.
	Folders(ctx context.Context, prefix string, do func(name string) error) error
	// List calls do with each object below a prefix that ends in a slash: its
	// name there, and when it was written.
	List(ctx context.Context, prefix string, do func(name string, written time.Time) error) error
	// Ping tells why objects can't be had now.
	Ping(ctx context.Context) error
}

// Store keeps values in a bucket, each under its digest. A nil Store takes no
// value. It is safe for concurrent use.
type Store struct{ bucket *counted }

// New makes a store, which counts what it asks of its bucket.
func New(bucket Bucket) *Store {
	return &Store{bucket: &counted{Bucket: bucket, by: map[[2]string]*Requests{}}}
}

// patience is how long one call to the bucket may take.
const patience = 30 * time.Second

// Takes tells whether a value of so many bytes is kept in object storage.
func (s *Store) Takes(bytes int) bool { return bytes > Above && s != nil }

// Keep writes a value of a run, and returns what stands for it once it is
// durable. A value that the project has for that day already is not written
// again.
func (s *Store) Keep(ctx context.Context, project, run string, value []byte) (Ref, error) {
	if len(value) > Max {
		return "", fmt.Errorf("%d bytes: %w", len(value), ErrTooLarge)
	}
	ref, err := newRef(run, value)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name := key(project, ref.Day(), ref.Digest())
	switch size, err := s.bucket.Size(ctx, name); {
	case err == nil && size == int64(len(value)):
		return ref, nil
	case err != nil && !errors.Is(err, ErrMissing):
		return "", unavailable("keep a value of run "+run, err)
	}
	if err := s.bucket.Put(ctx, name, value); err != nil {
		return "", unavailable("keep a value of run "+run, err)
	}
	return ref, nil
}

// Fetch reads the value that a reference of a project's run stands for, and
// checks that it is that one. The error is ErrUnavailable, ErrMissing or
// ErrDamaged.
func (s *Store) Fetch(ctx context.Context, project string, ref Ref) ([]byte, error) {
	day, digest, size, ok := ref.parts()
	switch {
	case !ok:
		return nil, fmt.Errorf("the reference %.120q: %w", string(ref), ErrDamaged)
	case s == nil:
		return nil, errNone
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	value, err := s.bucket.Get(ctx, key(project, day, digest), size)
	if err != nil {
		return nil, unavailable("read value "+digest, err)
	}
	if sum := sha256.Sum256(value); int64(len(value)) != size || hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("read value %s: %w", digest, ErrDamaged)
	}
	return value, nil
}

// Resolve returns a value as it is, or what it stands for when it is a
// reference.
func (s *Store) Resolve(ctx context.Context, project string, value []byte) ([]byte, error) {
	ref, ok := AsRef(value)
	if !ok {
		return value, nil
	}
	return s.Fetch(ctx, project, ref)
}

// Days lists the days for which a project has values, as 2026-11-28.
func (s *Store) Days(ctx context.Context, project string) (days []string, err error) {
	err = s.bucket.Folders(ctx, project+"/", func(name string) error {
		if isDay(name) {
			days = append(days, name)
		}
		return nil
	})
	if err != nil {
		return nil, unavailable("list the days of project "+project, err)
	}
	return days, nil
}

// Sweep removes what a project has for a day and gone selects: by its name, the
// digest of a value but for what a write that was cut off left, and by when it
// was written. It returns how many went.
func (s *Store) Sweep(ctx context.Context, project, day string, gone func(name string, written time.Time) bool) (n int, err error) {
	defer func() { s.bucket.swept(n, err) }()
	var names []string
	err = s.bucket.List(ctx, key(project, day, ""), func(name string, written time.Time) error {
		if gone(name, written) {
			names = append(names, name)
		}
		return nil
	})
	for _, name := range names {
		if err == nil {
			err = s.bucket.Delete(ctx, key(project, day, name))
		}
		if err == nil {
			n++
		}
	}
	if err != nil {
		return n, unavailable("sweep "+project+"/"+day, err)
	}
	return n, nil
}

// Ping tells why values can't be kept or read now.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.bucket.Ping(ctx); err != nil {
		return unavailable("look at object storage", err)
	}
	return nil
}

// unavailable is the error of a bucket, as one of ours.
func unavailable(what string, err error) error {
	switch {
	case errors.Is(err, ErrMissing), errors.Is(err, ErrDamaged), errors.Is(err, ErrUnavailable),
		errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}
