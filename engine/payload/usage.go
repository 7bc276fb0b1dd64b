package payload

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// How a request to object storage ended.
const (
	OutcomeDone = "done"
	// OutcomeMissing is an object that is not there: for a value that is kept the
	// first time what is expected.
	OutcomeMissing = "missing"
	OutcomeDamaged = "damaged"
	OutcomeFailed  = "failed"
	// OutcomeCanceled is a request that nobody wanted any more.
	OutcomeCanceled = "canceled"
)

// Bounds are the upper ends of the buckets that the times of requests are
// counted in; longer ones are in none.
var Bounds = []time.Duration{
	4 * time.Millisecond, 16 * time.Millisecond, 64 * time.Millisecond, 256 * time.Millisecond,
	1024 * time.Millisecond, 4096 * time.Millisecond, 16384 * time.Millisecond,
}

// Usage is what a store asked of its bucket since it was made.
type Usage struct {
	// Requests are ordered by operation and outcome.
	Requests []Requests
	// Written and Read are bytes of values.
	Written, Read int64
	// Sweeps are those of a day of a project, SweepsFailed those that did not come
	// to their end; Removed are the objects that all of them removed.
	Sweeps, SweepsFailed, Removed int64
}

// Requests are those of one operation that ended in one way.
type Requests struct {
	// Operation is put, get, size, delete, folders, list or ping.
	Operation, Outcome string
	Count              int64
	Took               time.Duration
	// Within counts, for each of Bounds, those that took at most so long.
	Within []int64
}

// counted is a bucket that counts what it is asked.
type counted struct {
	Bucket

	mu    sync.Mutex
	by    map[[2]string]*Requests
	usage Usage
}

// Usage is what the store asked of its bucket so far.
func (s *Store) Usage() Usage {
	c := s.bucket
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.usage
	for _, r := range c.by {
		one := *r
		one.Within = slices.Clone(r.Within)
		u.Requests = append(u.Requests, one)
	}
	slices.SortFunc(u.Requests, func(a, b Requests) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Outcome, b.Outcome))
	})
	return u
}

// note counts a request that began at a time.
func (c *counted) note(operation string, began time.Time, err error, written, read int) {
	took, key := time.Since(began), [2]string{operation, outcomeOf(err)}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.by[key]
	if r == nil {
		r = &Requests{Operation: operation, Outcome: key[1], Within: make([]int64, len(Bounds))}
		c.by[key] = r
	}
	r.Count++
	r.Took += took
	for i, bound := range Bounds {
		if took <= bound {
			r.Within[i]++
		}
	}
	c.usage.Written += int64(written)
	c.usage.Read += int64(read)
}

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return OutcomeDone
	case errors.Is(err, ErrMissing):
		return OutcomeMissing
	case errors.Is(err, ErrDamaged):
		return OutcomeDamaged
	case errors.Is(err, context.Canceled):
		return OutcomeCanceled
	}
	return OutcomeFailed
}

// swept counts a sweep.
func (c *counted) swept(removed int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.usage.Sweeps++
	if err != nil {
		c.usage.SweepsFailed++
	}
	c.usage.Removed += int64(removed)
}

func (c *counted) Put(ctx context.Context, key string, value []byte) error {
	began := time.Now()
	err := c.Bucket.Put(ctx, key, value)
	written := len(value)
	if err != nil {
		written = 0
	}
	c.note("put", began, err, written, 0)
	return err
}

func (c *counted) Get(ctx context.Context, key string, limit int64) ([]byte, error) {
	began := time.Now()
	value, err := c.Bucket.Get(ctx, key, limit)
	c.note("get", began, err, 0, len(value))
	return value, err
}

func (c *counted) Size(ctx context.Context, key string) (int64, error) {
	began := time.Now()
	n, err := c.Bucket.Size(ctx, key)
	c.note("size", began, err, 0, 0)
	return n, err
}

func (c *counted) Delete(ctx context.Context, key string) error {
	began := time.Now()
	err := c.Bucket.Delete(ctx, key)
	c.note("delete", began, err, 0, 0)
	return err
}

func (c *counted) Folders(ctx context.Context, prefix string, do func(name string) error) error {
	began := time.Now()
	err := c.Bucket.Folders(ctx, prefix, do)
	c.note("folders", began, err, 0, 0)
	return err
}

func (c *counted) List(ctx context.Context, prefix string, do func(name string, written time.Time) error) error {
	began := time.Now()
	err := c.Bucket.List(ctx, prefix, do)
	c.note("list", began, err, 0, 0)
	return err
}

func (c *counted) Ping(ctx context.Context) error {
	began := time.Now()
	err := c.Bucket.Ping(ctx)
	c.note("ping", began, err, 0, 0)
	return err
}
