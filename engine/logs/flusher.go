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
	// Interval is how long rows wait to share a batch. Default 100ms. Under load,
	// when a batch has a tenth of BatchRows, they wait three times as long: the
	// store's price of a row falls with the size of a batch.
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
	// settlers write lanes for those who wait; see Settle.
	settlers []*settler

	rows   atomic.Int64
	behind atomic.Bool

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
		f.settlers = append(f.settlers, f.newSettler(lane))
	}
	return f
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
	if f.quit == nil {
		return nil // it was never started
	}
	f.quit()
	f.loops.Wait()
	for lane := range f.opts.Lanes {
		if err := errors.Join(f.settlers[lane].Stop(ctx), f.drain(ctx, lane)); err != nil {
			return fmt.Errorf("write the rest of the log: %w", err)
		}
	}
	return nil
}

// drain writes what is in a lane's log. Less than a full batch reached its end:
// what others write meanwhile is for the flushers that go on.
func (f *Flusher) drain(ctx context.Context, lane int) error {
	mark, err := f.opts.Store.LogPosition(ctx, StreamKey(lane))
	for n, known := f.opts.BatchRows, true; err == nil && known && n >= f.opts.BatchRows; {
		n, mark, known, err = f.flush(ctx, lane, mark)
	}
	return err
}

// Rows is how many rows this flusher has written.
func (f *Flusher) Rows() int64 { return f.rows.Load() }

// Delayed tells whether the last attempt to write failed: rows wait in Redis.
func (f *Flusher) Delayed() bool { return f.behind.Load() }

// tidyEvery is how often a lane is searched for what a flusher that died had
// written and not yet removed.
const tidyEvery = 30 * time.Second

// follow flushes one lane until ctx is done.
func (f *Flusher) follow(ctx context.Context, lane int) {
	var pause time.Duration
	var tidied time.Time
	share := f.opts.Interval
	for known, mark := false, (store.LogMark{}); ; {
		if !sleep(ctx, pause) {
			return
		}
		n, err := 0, error(nil)
		if !known {
			mark, err = f.opts.Store.LogPosition(ctx, StreamKey(lane))
			known = err == nil
		}
		if known && time.Since(tidied) > tidyEvery {
			if err = f.tidy(ctx, lane, mark.Position); err == nil {
				tidied = time.Now()
			}
		}
		more := false
		if err == nil {
			more, err = f.await(ctx, lane, mark.Position)
		}
		if err == nil && more && sleep(ctx, share) {
			n, mark, known, err = f.flush(ctx, lane, mark)
			if share = f.opts.Interval; n >= f.opts.BatchRows/10 {
				share *= 3
			}
		}
		if ctx.Err() != nil {
			return
		}
		for err == nil && n >= f.opts.BatchRows { // more is there
			n, mark, known, err = f.flush(ctx, lane, mark)
		}
		if err != nil {
			tidied = time.Time{} // what was written may not have been removed
		}
		pause = f.report(lane, err, pause)
	}
}

// report notes how a round went and returns the pause before the next.
func (f *Flusher) report(lane int, err error, pause time.Duration) time.Duration {
	if err == nil {
		if f.behind.Swap(false) {
			f.log.Info("the log is being written to the store again", "lane", lane)
		}
		return 0
	}
	if !f.behind.Swap(true) {
		f.log.Warn("the log can't be written to the store; it waits in Redis", "lane", lane, "error", err)
	}
	return min(2*max(pause, f.opts.Interval), 5*time.Second)
}

// blockFor bounds one wait for rows: a wait under way can't be called off, so
// it is how long Stop may take.
const blockFor = time.Second

// await waits until a lane has rows after a position, which is true, or for a
// while: there may be something to tidy.
func (f *Flusher) await(ctx context.Context, lane int, position string) (bool, error) {
	if position == "" {
		position = "0-0"
	}
	_, err := f.opts.Redis.XRead(ctx, &redis.XReadArgs{
		Streams: []string{StreamKey(lane), position}, Count: 1, Block: blockFor,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, err
}

// sleep waits, and reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// entriesAtOnce bounds what one read of a stream returns; an entry holds the
// rows of one group commit.
const entriesAtOnce = 64

// flush writes one batch of a lane after a mark. It returns its rows, the new
// mark, and whether that is known: it is not when another flusher was first, or
// Redis has lost its memory since the rows were read.
func (f *Flusher) flush(ctx context.Context, lane int, from store.LogMark) (rows int, mark store.LogMark, known bool, err error) {
	batch := f.newBatch()
	defer f.reuse(batch)
	batch.Stream, batch.From, batch.To, batch.Fence = StreamKey(lane), from.Position, from.Position, from.Fence
	bytes, err := f.read(ctx, lane, batch, "+", f.opts.BatchRows)
	if err != nil || batch.To == from.Position {
		return 0, from, true, err
	}
	applied, err := f.opts.Store.WriteLog(ctx, *batch)
	if err != nil || !applied {
		return 0, from, false, err
	}
	rows = batch.Rows()
	f.rows.Add(int64(rows))
	return rows, store.LogMark{Position: batch.To, Fence: from.Fence}, true, f.forget(ctx, lane, batch, bytes)
}

// newBatch is an empty batch, with the memory of one that was written if there
// is one.
func (f *Flusher) newBatch() *store.LogBatch {
	if batch, ok := f.room.Get().(*store.LogBatch); ok {
		return batch
	}
	return &store.LogBatch{}
}

// reuse keeps the memory of a batch that nobody reads any more.
func (f *Flusher) reuse(batch *store.LogBatch) {
	clear(batch.Runs)
	clear(batch.Steps)
	clear(batch.ProxyCalls)
	f.room.Put(&store.LogBatch{Runs: batch.Runs[:0], Steps: batch.Steps[:0], ProxyCalls: batch.ProxyCalls[:0]})
}

// unknownPosition as From lets forget count the bytes itself.
const unknownPosition = "?"

// tidy removes what is in a lane's log up to a position that the store has.
func (f *Flusher) tidy(ctx context.Context, lane int, position string) error {
	if position == "" {
		return nil
	}
	for {
		batch := store.LogBatch{From: unknownPosition}
		bytes, err := f.read(ctx, lane, &batch, position, f.opts.BatchRows)
		if err != nil || batch.To == "" {
			return err
		}
		if err := f.forget(ctx, lane, &batch, bytes); err != nil {
			return err
		}
	}
}

// read appends rows of a lane's log after batch.To, up to an entry, until the
// batch has enough of them. It returns the bytes of the rows.
func (f *Flusher) read(ctx context.Context, lane int, batch *store.LogBatch, upTo string, enough int) (bytes int, err error) {
	for batch.Rows() < enough {
		after := "-"
		if batch.To != "" {
			after = "(" + batch.To
		}
		entries, err := f.entries(ctx, lane, after, upTo)
		if err != nil {
			return 0, fmt.Errorf("read the log of lane %d: %w", lane, err)
		}
		for _, entry := range entries {
			for i := 0; i+1 < len(entry.rows); i += 2 {
				key, _ := entry.rows[i].(string)
				text, _ := entry.rows[i+1].(string)
				bytes += len(text)
				if err := appendRow(batch, key, text); err != nil {
					// The row is lost to the history, and says so; holding up all
					// that follow would lose more.
					f.log.Error("a log row is not readable and is left out", "lane", lane, "entry", entry.id, "error", err)
				}
			}
			batch.To = entry.id
		}
		if len(entries) < entriesAtOnce {
			break
		}
	}
	return bytes, nil
}

// entry is an entry of a log stream: its position, and its rows as keys and
// values in turn.
type entry struct {
	id   string
	rows []any
}

// entries reads the next entries of a lane's log. It takes Redis' reply as it
// is: building a map for each entry, as XRange does, costs more than reading
// the rows.
func (f *Flusher) entries(ctx context.Context, lane int, after, upTo string) ([]entry, error) {
	reply, err := f.opts.Redis.Do(ctx, "XRANGE", StreamKey(lane), after, upTo, "COUNT", entriesAtOnce).Slice()
	if err != nil {
		return nil, err
	}
	out := make([]entry, len(reply))
	for i, item := range reply {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			return nil, fmt.Errorf("entry %d of the reply is no stream entry: %v", i, item)
		}
		out[i].id, _ = pair[0].(string)
		out[i].rows, _ = pair[1].([]any)
	}
	return out, nil
}

//go:embed forget.lua
var forgetSource string

var forgetScript = redis.NewScript(forgetSource)

// forget removes from Redis what the store has now. Should the process end
// before, tidy does it later.
func (f *Flusher) forget(ctx context.Context, lane int, batch *store.LogBatch, bytes int) error {
	args := make([]any, 0, 3+len(batch.Runs))
	args = append(args, batch.From, batch.To, bytes)
	for i := range batch.Runs {
		args = append(args, batch.Runs[i].ID)
	}
	err := forgetScript.Run(ctx, f.opts.Redis, []string{queue.Key(lane)}, args...).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("remove written log of lane %d: %w", lane, err)
	}
	return nil
}
