package logs

import (
	"context"
	"fmt"

	"paragon/engine/store"
)

// cursor is a place in a stream: up to where the store has it, as far as is
// known here.
type cursor struct {
	stream
	f     *Flusher
	mark  store.LogMark
	known bool
	// count is how many entries the next read asks for.
	count int
}

// cursors returns a cursor for each stream of a lane, all of unknown place.
func (f *Flusher) cursors(lane int) []*cursor {
	var all []*cursor
	for _, s := range streamsOf(lane) {
		all = append(all, &cursor{stream: s, f: f, count: firstEntries})
	}
	return all
}

// locate asks the store for the place, unless it is known.
func (c *cursor) locate(ctx context.Context) (err error) {
	if !c.known {
		c.mark, err = c.f.opts.Store.LogPosition(ctx, c.key())
		c.known = err == nil
	}
	return err
}

// drain writes what is in the stream after a known place, in batches, and returns how many
// rows that were. It leaves the place unknown, and the rest where it is, when
// another flusher was first, or Redis has lost its memory since the rows were read.
func (c *cursor) drain(ctx context.Context) (rows int, err error) {
	for more := true; more && err == nil; {
		var n int
		n, more, err = c.flush(ctx)
		rows += n
	}
	return rows, err
}

// flush writes one batch after the place, which moves, and tells whether there may be more.
func (c *cursor) flush(ctx context.Context) (rows int, more bool, err error) {
	batch := c.f.newBatch()
	defer c.f.reuse(batch)
	batch.Stream, batch.From, batch.To, batch.Fence = c.key(), c.mark.Position, c.mark.Position, c.mark.Fence
	bytes, more, err := c.read(ctx, batch, "+")
	if err != nil || batch.To == batch.From {
		return 0, false, err
	}
	c.known, err = c.f.opts.Store.WriteLog(ctx, *batch)
	if err != nil || !c.known {
		c.known = false
		return 0, false, err
	}
	c.mark.Position = batch.To
	rows = batch.Rows()
	c.f.rows.Add(int64(rows))
	return rows, more, c.forget(ctx, batch, bytes)
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

const (
	// firstEntries and mostEntries bound how many entries a read asks for. One
	// holds the rows of a group commit: under load some 350, of a few dozen bytes
	// each, but rows may have 256 KiB.
	firstEntries, mostEntries = 8, 32
	// readBytes is how much a read should return: those that returned more are
	// followed by smaller ones, and those that returned far less by larger ones.
	readBytes = 16 << 20
	// batchBytes is the size at which a batch is written at once, however few rows it has.
	batchBytes = 64 << 20
)

// read appends rows after batch.To, up to an entry, until the batch has enough
// of them, which is more. It returns the bytes of the entries, as they are counted in Redis.
func (c *cursor) read(ctx context.Context, batch *store.LogBatch, upTo string) (bytes int, more bool, err error) {
	for batch.Rows() < c.f.opts.BatchRows && bytes < batchBytes {
		asked := c.count
		after := "-"
		if batch.To != "" {
			after = "(" + batch.To
		}
		entries, err := readEntries(ctx, c.f.opts.Redis, "XRANGE", c.key(), after, upTo, "COUNT", asked)
		if err != nil {
			return 0, false, fmt.Errorf("read the log of lane %d: %w", c.lane, err)
		}
		got := 0
		for _, entry := range entries {
			for row, err := range c.form(entry.fields) {
				if err == nil {
					err = appendRow(batch, row)
				}
				if err != nil {
					// The row is lost to the history, and says so; holding up all
					// that follow would lose more.
					c.f.log.Error("a log row is not readable and is left out", "stream", c.key(), "entry", entry.id, "error", err)
				}
			}
			got += entry.bytes()
			batch.To = entry.id
		}
		bytes += got
		if len(entries) < asked {
			return bytes, false, nil
		}
		c.count = nextCount(asked, got)
	}
	return bytes, true, nil
}

// nextCount is how many entries to ask for after a read of so many that
// returned so many bytes.
func nextCount(entries, bytes int) int {
	switch {
	case bytes > readBytes:
		return max(1, int(int64(entries)*readBytes/int64(bytes)))
	case bytes < readBytes/4:
		return min(2*entries, mostEntries)
	}
	return entries
}
