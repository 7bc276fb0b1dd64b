package logs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/store"
)

// Options are what a Flusher works with.
type Options struct {
	Redis redis.UniversalClient
	Lanes int
	Store store.Runs
	// Interval is how long rows wait to share a batch. Default 100ms. Under load,
	// when a batch has half of BatchRows, they wait three times as long: the
	// store's price of a row falls with the size of a batch.
	Interval time.Duration
	// BatchRows is the size at which a batch is written at once; large rows are
	// before it has so many. Default 10,000 rows.
	BatchRows int
	Log       *slog.Logger
}

// Flusher moves the log of every lane into the store: each row exactly once,
// since the store keeps the position of each stream in the transaction that
// writes the rows. Any number of flushers may run; of two that write the same
// batch, one finds the position moved and reads again.
type Flusher struct {
	opts Options
	log  *slog.Logger

	quit  context.CancelFunc
	loops sync.WaitGroup
	lanes []*lane

	rows atomic.Int64

	// room is memory of batches that were written, for those that come: under
	// load one takes megabytes.
	room sync.Pool
}

// New makes a flusher; Start it.
func New(opts Options) *Flusher {
	if opts.Interval <= 0 {
		opts.Interval = 100 * time.Millisecond
	}
	if opts.BatchRows <= 0 {
		opts.BatchRows = 10_000
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	f := &Flusher{opts: opts, log: opts.Log}
	for lane := range opts.Lanes {
		f.lanes = append(f.lanes, f.newLane(lane))
	}
	return f
}

// Start begins to flush.
func (f *Flusher) Start(ctx context.Context) error {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	f.quit = quit
	for _, l := range f.lanes {
		f.loops.Go(func() { l.follow(loop) })
	}
	return nil
}

// Stop writes what is left, as far as ctx allows, and ends.
func (f *Flusher) Stop(ctx context.Context) error {
	if f.quit == nil {
		return nil // it was never started
	}
	f.quit()
	f.loops.Wait()
	for _, l := range f.lanes {
		if err := l.stop(ctx); err != nil {
			return fmt.Errorf("write the rest of the log: %w", err)
		}
	}
	return nil
}

// Rows is how many rows this flusher has written.
func (f *Flusher) Rows() int64 { return f.rows.Load() }

// Delayed tells whether the last attempt to write a lane's log failed: rows wait
// in Redis.
func (f *Flusher) Delayed() bool {
	return slices.ContainsFunc(f.lanes, func(l *lane) bool { return l.behind.Load() })
}
