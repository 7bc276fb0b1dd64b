package logs

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/daemon/embedded"
	"paragon/engine/queue"
	"paragon/engine/record"
	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/schema"
)

func onEachRedis(t *testing.T, f func(t *testing.T, rdb redis.UniversalClient)) {
	for name, url := range map[string]func(t *testing.T) string{
		"redis": func(t *testing.T) string { return "redis://" + servicetest.Redis(t) },
		"miniredis": func(t *testing.T) string {
			r, err := embedded.StartRedis(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(r.Close)
			return r.URL()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb, err := queue.NewRedis(url(t), queue.RedisOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = rdb.Close() })
			f(t, rdb)
		})
	}
}

// onEachStream runs a test on each stream of a lane, on each kind of Redis.
func onEachStream(t *testing.T, f func(t *testing.T, b *bench)) {
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		for i, s := range streamsOf(0) {
			t.Run(s.name, func(t *testing.T) {
				if err := rdb.FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				f(t, &bench{t: t, rdb: rdb, cursor: New(Options{Redis: rdb, Lanes: 1}).cursors(0)[i]})
			})
		}
	})
}

// bench has a stream of a Redis on it.
type bench struct {
	t   *testing.T
	rdb redis.UniversalClient
	*cursor
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// add adds an entry with rows, in the form of the stream, and returns its bytes.
func (b *bench) add(id string, rows ...Row) int {
	b.t.Helper()
	fields, bytes := fieldsOf(b.stream, rows)
	// At once, as the scripts do: what is removed before it is counted stays counted.
	_, err := b.rdb.TxPipelined(b.t.Context(), func(tx redis.Pipeliner) error {
		tx.XAdd(b.t.Context(), &redis.XAddArgs{Stream: b.key(), ID: id, Values: fields})
		tx.IncrBy(b.t.Context(), queue.Key(0, "logbytes"), int64(bytes))
		return nil
	})
	b.must(err)
	return bytes
}

// fieldsOf is an entry with rows, in the form of a stream, and its bytes.
func fieldsOf(s stream, rows []Row) (fields []any, bytes int) {
	if s.name == "log" {
		for _, row := range rows {
			fields = append(fields, row.Key, row.Record)
			bytes += len(row.Record)
		}
		return fields, bytes
	}
	var value []byte
	for _, row := range rows {
		value = appendText(appendText(value, row.Key), row.Record)
	}
	return []any{rowsField, string(value)}, len(value)
}

// at is when all steps of these tests ran.
var at = time.Date(2026, 5, 11, 12, 0, 0, 0, time.UTC)

// stepRow is a row of a step that succeeded.
func stepRow(t *testing.T, run string, seq int) Row {
	t.Helper()
	path := fmt.Sprint("step", seq)
	raw, err := record.AppendStep(nil, &schema.StepRecord{Path: path, Step: path, Kind: "set", Status: schema.StepSucceeded, StartedAt: at})
	if err != nil {
		t.Fatal(err)
	}
	return Row{Key: fmt.Sprintf("s default %s %d", run, seq), Record: string(raw)}
}

// runRow is the row of a run that succeeded.
func runRow(t *testing.T, run string) Row {
	t.Helper()
	raw, err := record.AppendRun(nil, &schema.Run{ID: run, Project: "default", Workflow: "w", Status: schema.RunSucceeded, CreatedAt: at, EndedAt: &at})
	if err != nil {
		t.Fatal(err)
	}
	return Row{Key: "r " + run, Record: string(raw)}
}

// TestForgetCountsOnce lets two flushers remove the same rows, in all the ways
// in which they can meet: the count of waiting bytes comes out even.
func TestForgetCountsOnce(t *testing.T) {
	onEachStream(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		var ids []string
		each := 0
		for i := range 250 { // more than one read
			ids = append(ids, fmt.Sprintf("%d-%d", 1+i/10, i%10+1))
			each = b.add(ids[i], stepRow(t, "r", 1))
		}
		expect := func(rows int) {
			t.Helper()
			n, err := b.rdb.XLen(ctx, b.key()).Result()
			b.must(err)
			bytes, err := b.rdb.Get(ctx, queue.Key(0, "logbytes")).Int()
			b.must(err)
			if int(n) != rows || bytes != each*rows {
				t.Errorf("%d rows and %d bytes wait; want %d and %d", n, bytes, rows, each*rows)
			}
		}
		forget := func(from, to int) {
			t.Helper()
			batch := store.LogBatch{To: ids[to-1]}
			if from > 0 {
				batch.From = ids[from-1]
			}
			b.must(b.forget(ctx, &batch, each*(to-from)))
		}
		forget(0, 3)
		expect(247)
		forget(0, 3) // the reply was lost
		expect(247)
		forget(3, 20)
		expect(230)
		forget(3, 12) // a flusher that read before the other removed
		expect(230)
		forget(12, 30) // one that read from the middle
		expect(220)
		b.mark.Position = ids[239]
		b.f.opts.BatchRows = 50 // in several pieces
		b.must(b.tidy(ctx))
		expect(10)
		b.must(b.tidy(ctx))
		expect(10)
		b.must(b.rdb.Del(ctx, b.key()+"mark").Err())
		forget(240, 245) // a mark that is lost
		expect(5)
	})
}

func TestForgetRemovesEndedRuns(t *testing.T) {
	onEachStream(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		var batch store.LogBatch
		for i := range 1200 {
			id := fmt.Sprint("run", i)
			b.must(b.rdb.HSet(ctx, queue.Key(0, "run", id), "st", "succeeded").Err())
			b.must(b.rdb.ZAdd(ctx, queue.Key(0, "live"), redis.Z{Member: id}).Err())
			if i != 7 {
				batch.Runs = append(batch.Runs, schema.Run{ID: id})
			}
		}
		batch.To = "1-1" // a first batch
		b.must(b.forget(ctx, &batch, 0))
		if n, err := b.rdb.ZCard(ctx, queue.Key(0, "live")).Result(); err != nil || n != 1 {
			t.Errorf("%d runs are left (%v); want 1", n, err)
		}
		if n, err := b.rdb.Exists(ctx, queue.Key(0, "run", "run7"), queue.Key(0, "run", "run8")).Result(); err != nil || n != 1 {
			t.Errorf("of the run that goes on and one that ended %d are there (%v); want 1", n, err)
		}
	})
}

// TestForgetMakesUpForAnother removes rows that come after those of a flusher
// that did not get to remove its own: their runs go, too.
func TestForgetMakesUpForAnother(t *testing.T) {
	onEachStream(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		each := 0
		for i, run := range []string{"first", "second", "third"} {
			each = b.add(fmt.Sprintf("%d-1", i+1), stepRow(t, run, 1), runRow(t, run))
			b.must(b.rdb.HSet(ctx, queue.Key(0, "run", run), "st", "succeeded").Err())
			b.must(b.rdb.ZAdd(ctx, queue.Key(0, "live"), redis.Z{Member: run}).Err())
		}
		b.must(b.forget(ctx, &store.LogBatch{From: "1-1", To: "2-1", Runs: []schema.Run{{ID: "second"}}}, 1))
		if left, err := b.rdb.ZRange(ctx, queue.Key(0, "live"), 0, -1).Result(); err != nil || len(left) != 1 || left[0] != "third" {
			t.Errorf("%v are left (%v); want the third", left, err)
		}
		if n, err := b.rdb.Exists(ctx, queue.Key(0, "run", "first"), queue.Key(0, "run", "second")).Result(); err != nil || n != 0 {
			t.Errorf("%d of two ended runs are left (%v)", n, err)
		}
		if n, err := b.rdb.Get(ctx, queue.Key(0, "logbytes")).Int(); err != nil || n != each {
			t.Errorf("%d bytes wait (%v); want %d", n, err, each)
		}
	})
}

// What was read before Redis lost its memory, and is removed only after, was
// counted in the Redis of before.
func TestNothingIsCountedBelowZero(t *testing.T) {
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		err := forgetScript.Run(t.Context(), rdb, []string{queue.Key(0)}, "rows", "", "5-0", 100).Err()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
		if n, err := rdb.Get(t.Context(), queue.Key(0, "logbytes")).Int(); err != nil || n != 0 {
			t.Errorf("%d bytes are counted (%v)", n, err)
		}
	})
}
