package logs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/queue"
	"paragon/engine/store"
	"paragon/engine/store/sqlite"
	"paragon/schema"
)

// counting is a store that counts how often it took each row of runs.
type counting struct {
	store.Store
	mu     sync.Mutex
	taken  map[string]int
	before func(store.LogBatch) // a batch is written
}

func newCounting(t *testing.T) *counting {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &counting{Store: db, taken: map[string]int{}}
}

func (c *counting) WriteLog(ctx context.Context, batch store.LogBatch) (bool, error) {
	if c.before != nil {
		c.before(batch)
	}
	applied, err := c.Store.WriteLog(ctx, batch)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch.Runs {
		if applied {
			c.taken["r "+batch.Runs[i].ID]++
		}
	}
	for i := range batch.Steps {
		if row := &batch.Steps[i]; applied {
			c.taken[fmt.Sprintf("s %s %s %d", row.Project, row.Run, row.Seq)]++
		}
	}
	return applied, err
}

// expect checks that exactly these rows came, once each.
func (c *counting) expect(t *testing.T, rows []Row) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, row := range rows {
		if n := c.taken[row.Key]; n != 1 {
			t.Errorf("%s came %d times", row.Key, n)
		}
	}
	if len(c.taken) != len(rows) {
		t.Errorf("%d rows came; want %d", len(c.taken), len(rows))
	}
}

// table is a bench with both streams of a lane.
type table struct{ calls, rows *bench }

func newTable(t *testing.T, rdb redis.UniversalClient, s store.Runs) table {
	f := New(Options{Redis: rdb, Lanes: 1, Store: s})
	c := f.cursors(0)
	return table{&bench{t, rdb, c[0]}, &bench{t, rdb, c[1]}}
}

// run plays a run that a worker of a version before began, and one of this ended.
func (b table) run(n int) []Row {
	b.calls.t.Helper()
	id := fmt.Sprintf("%s%014d00", schema.RunIDBound(at), n)
	ctx, rdb := b.calls.t.Context(), b.calls.rdb
	b.calls.must(rdb.HSet(ctx, queue.Key(0, "run", id), "st", "running").Err())
	b.calls.must(rdb.ZAdd(ctx, queue.Key(0, "live"), redis.Z{Member: id}).Err())
	rows := []Row{stepRow(b.calls.t, id, 1), stepRow(b.calls.t, id, 2), runRow(b.calls.t, id)}
	b.calls.add("*", rows[0])
	b.rows.add("*", rows[1:]...)
	return rows
}

// expectNothing checks that nothing of the runs is left in Redis.
func (b table) expectNothing() {
	t := b.calls.t
	t.Helper()
	size, err := Sizes(t.Context(), b.calls.rdb, 1)
	if err != nil || size[0] != (Size{}) {
		t.Errorf("%+v of log are left (%v)", size, err)
	}
	keys, err := b.calls.rdb.Keys(t.Context(), `*:run:*`).Result()
	if live := b.calls.rdb.ZCard(t.Context(), queue.Key(0, "live")).Val(); err != nil || live != 0 || len(keys) != 0 {
		t.Errorf("%d live runs and the hashes %v are left (%v)", live, keys, err)
	}
}

// Two flushers write what workers of two versions put into the two streams of a
// lane: every row once, and nothing is left in Redis.
func TestBothStreamsArriveOnce(t *testing.T) {
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newCounting(t)
		b := newTable(t, rdb, s)
		var both []*Flusher
		for range 2 {
			f := New(Options{Redis: rdb, Lanes: 1, Store: s, Interval: time.Millisecond, BatchRows: 10})
			if err := f.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			both = append(both, f)
		}
		var rows []Row
		for n := range 200 {
			rows = append(rows, b.run(n)...)
			if n%50 == 0 {
				if err := both[0].Settle(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
				s.expect(t, rows)
			}
		}
		for _, f := range both {
			if err := f.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		s.expect(t, rows)
		b.expectNothing()
		if n := both[0].Rows() + both[1].Rows(); n != int64(len(rows)) {
			t.Errorf("the flushers counted %d rows; want %d", n, len(rows))
		}
	})
}

// What a flusher had read when Redis lost its memory is not written in either
// stream once both are fenced; what comes after is.
func TestRowsOfALostRedisAreVoid(t *testing.T) {
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newCounting(t)
		b := newTable(t, rdb, s)
		before := b.run(1)
		if err := errors.Join(b.calls.settle(t.Context()), b.rows.settle(t.Context())); err != nil {
			t.Fatal(err)
		}
		for i, c := range []*bench{b.calls, b.rows} {
			b.run(2 + i)
			s.before = func(store.LogBatch) {
				s.before = nil
				c.must(rdb.FlushAll(t.Context()).Err())
				c.must(s.FenceLog(t.Context(), StreamKeys(0)))
			}
			if n, err := c.drain(t.Context()); err != nil || n != 0 || c.known {
				t.Errorf("stream %s: %d rows from before the loss were written (%v); the place is known: %v", c.name, n, err, c.known)
			}
		}
		rows := append(before, b.run(4)...)
		if err := errors.Join(b.calls.settle(t.Context()), b.rows.settle(t.Context())); err != nil {
			t.Fatal(err)
		}
		s.expect(t, rows)
		b.expectNothing()
	})
}

// What a flusher wrote and did not remove, since it died, another removes.
func TestTidyRemovesWhatWasWritten(t *testing.T) {
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newCounting(t)
		b := newTable(t, rdb, s)
		rows := b.run(1)
		for _, c := range []*bench{b.calls, b.rows} {
			batch := store.LogBatch{Stream: c.key()}
			if _, _, err := c.read(t.Context(), &batch, "+"); err != nil {
				t.Fatal(err)
			}
			if applied, err := s.WriteLog(t.Context(), batch); err != nil || !applied {
				t.Fatalf("applied %v, %v", applied, err)
			}
		}
		r := round{lane: b.rows.f.lanes[0], cursors: b.rows.f.cursors(0)}
		if err := r.prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.expect(t, rows)
		b.expectNothing()
	})
}

func TestWaiting(t *testing.T) {
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		b := newTable(t, rdb, nil)
		oldest := func() time.Duration {
			t.Helper()
			d, err := Oldest(t.Context(), rdb, 2)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		if d := oldest(); d != 0 {
			t.Errorf("with no rows the oldest has waited %v", d)
		}
		old := fmt.Sprintf("%d-1", time.Now().Add(-time.Hour).UnixMilli())
		bytes := b.rows.add(old, stepRow(t, "other", 1))
		for range 3 * waitingAtOnce {
			bytes += b.rows.add("*", stepRow(t, "other", 1), runRow(t, "other"))
		}
		bytes += b.calls.add("*", stepRow(t, "other", 1), stepRow(t, "mine", 1))
		bytes += b.rows.add("*", stepRow(t, "mine", 3), runRow(t, "mine"), stepRow(t, "mine", 2))
		got, err := Waiting(t.Context(), rdb, 0, "mine")
		if err != nil {
			t.Fatal(err)
		}
		var seqs []int64
		for _, row := range got {
			seqs = append(seqs, row.Seq)
		}
		slices.Sort(seqs)
		if !slices.Equal(seqs, []int64{1, 2, 3}) {
			t.Errorf("the steps %v wait; want 1 to 3", seqs)
		}
		if d := oldest(); d < time.Hour || d > 2*time.Hour {
			t.Errorf("the oldest row has waited %v; want an hour", d)
		}
		sizes, err := Sizes(t.Context(), rdb, 2)
		if want := (Size{Entries: 3*waitingAtOnce + 3, Bytes: int64(bytes)}); err != nil || sizes[0] != want || sizes[1] != (Size{}) {
			t.Errorf("the sizes are %+v (%v); want %+v and nothing", sizes, err, want)
		}
	})
}

func TestDelayedWhileAnyLaneIs(t *testing.T) {
	f := New(Options{Lanes: 2, Interval: time.Second})
	away := errors.New("away")
	if pause := f.lanes[0].report(away, 0); pause != 2*time.Second || !f.Delayed() {
		t.Errorf("one lane failed: pause %v, delayed %v", pause, f.Delayed())
	}
	if pause := f.lanes[0].report(away, 4*time.Second); pause != 5*time.Second {
		t.Errorf("it fails again and again: pause %v", pause)
	}
	if f.lanes[1].report(nil, 0); !f.Delayed() {
		t.Error("that another lane is well ends the delay")
	}
	if f.lanes[0].report(nil, time.Second); f.Delayed() {
		t.Error("all lanes are well, and still it is delayed")
	}
}

// Reads return megabytes, whatever an entry has.
func TestReadsFollowTheSizeOfEntries(t *testing.T) {
	for _, tt := range []struct{ entries, bytes, next int }{
		{firstEntries, 0, 2 * firstEntries},
		{mostEntries, 1 << 10, mostEntries},
		{16, readBytes / 2, 16},
		{16, 4 * readBytes, 4},
		{2, 100 * readBytes, 1},
		{1, 100 * readBytes, 1},
		{1, readBytes / 8, 2},
	} {
		if got := nextCount(tt.entries, tt.bytes); got != tt.next {
			t.Errorf("after %d entries of %d bytes %d are asked for; want %d", tt.entries, tt.bytes, got, tt.next)
		}
	}
}
