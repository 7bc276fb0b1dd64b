package logs

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/queue"
	"paragon/engine/store"
)

// Options are what a Flusher works with.
type Options struct {
	Redis redis.UniversalClient
	Lanes int
	Store store.Runs
	// Interval is how long rows wait to share a batch. Default 200ms.
	Interval time.Duration
	// BatchRows is the size at which a batch is written at once. Default
	// 10,000 rows.
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

	rows   atomic.Int64
	behind atomic.Bool
}

// New makes a flusher; Start it.
func New(opts Options) *Flusher {
	if opts.Interval <= 0 {
		opts.Interval = 200 * time.Millisecond
	}
	if opts.BatchRows <= 0 {
		opts.BatchRows = 10_000
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Flusher{opts: opts, log: opts.Log}
}

// Start begins to flush.
func (f *Flusher) Start(ctx context.Context) error {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	f.quit = quit
	for lane := range f.opts.Lanes {
		f.loops.Add(1)
		go func() { defer f.loops.Done(); f.follow(loop, lane) }()
	}
	return nil
}

// Stop writes what is left, as far as ctx allows, and ends.
func (f *Flusher) Stop(ctx context.Context) error {
	f.quit()
	f.loops.Wait()
	for lane := range f.opts.Lanes {
		for {
			n, err := f.flush(ctx, lane)
			if err != nil {
				return fmt.Errorf("write the rest of the log: %w", err)
			}
			if n == 0 {
				break
			}
		}
	}
	return nil
}

// Rows is how many rows this flusher has written.
func (f *Flusher) Rows() int64 { return f.rows.Load() }

// Delayed tells whether the last attempt to write failed: rows wait in Redis.
func (f *Flusher) Delayed() bool { return f.behind.Load() }

// follow flushes one lane until ctx is done.
func (f *Flusher) follow(ctx context.Context, lane int) {
	wait := f.opts.Interval
	for {
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		n, err := f.flush(ctx, lane)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !f.behind.Swap(true) {
				f.log.Warn("the log can't be written to the store; it waits in Redis", "lane", lane, "error", err)
			}
			wait = min(2*max(wait, f.opts.Interval), 5*time.Second)
		default:
			if f.behind.Swap(false) {
				f.log.Info("the log is being written to the store again", "lane", lane)
			}
			wait = f.opts.Interval
			if n >= f.opts.BatchRows {
				wait = 0 // more is there
			}
		}
	}
}

// entriesAtOnce bounds what one read of a stream returns; an entry holds the
// rows of one group commit.
const entriesAtOnce = 64

// flush writes one batch of a lane and returns its rows.
func (f *Flusher) flush(ctx context.Context, lane int) (int, error) {
	stream := StreamKey(lane)
	from, err := f.opts.Store.LogPosition(ctx, stream)
	if err != nil {
		return 0, err
	}
	batch := store.LogBatch{Stream: stream, From: from, To: from}
	bytes := 0
	for rows := 0; rows < f.opts.BatchRows; rows = len(batch.Runs) + len(batch.Steps) {
		after := "-"
		if batch.To != "" {
			after = "(" + batch.To
		}
		entries, err := f.opts.Redis.XRangeN(ctx, stream, after, "+", entriesAtOnce).Result()
		if err != nil {
			return 0, fmt.Errorf("read the log of lane %d: %w", lane, err)
		}
		for _, entry := range entries {
			for key, value := range entry.Values {
				text, _ := value.(string)
				bytes += len(text)
				if err := appendRow(&batch, key, text); err != nil {
					// The row is lost to the history, and says so; holding up all
					// that follow would lose more.
					f.log.Error("a log row is not readable and is left out", "lane", lane, "entry", entry.ID, "error", err)
				}
			}
			batch.To = entry.ID
		}
		if len(entries) < entriesAtOnce {
			break
		}
	}
	if batch.To == from {
		return 0, nil
	}
	applied, err := f.opts.Store.WriteLog(ctx, batch)
	if err != nil {
		return 0, err
	}
	if !applied {
		return 0, nil // another flusher was first
	}
	n := len(batch.Runs) + len(batch.Steps)
	f.rows.Add(int64(n))
	return n, f.forget(ctx, lane, &batch, bytes)
}

//go:embed forget.lua
var forgetSource string

var forgetScript = redis.NewScript(forgetSource)

// forget removes from Redis what the store has now. Should the process end
// before, the next flush finds the position of the store and removes it then.
func (f *Flusher) forget(ctx context.Context, lane int, batch *store.LogBatch, bytes int) error {
	args := make([]any, 0, 2+len(batch.Runs))
	args = append(args, batch.To, bytes)
	for i := range batch.Runs {
		args = append(args, batch.Runs[i].ID)
	}
	err := forgetScript.Run(ctx, f.opts.Redis, []string{queue.Key(lane)}, args...).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("remove written log of lane %d: %w", lane, err)
	}
	return nil
}
