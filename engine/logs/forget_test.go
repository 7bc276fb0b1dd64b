package logs

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"paragon/engine/daemon/embedded"
	"paragon/engine/queue"
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

// TestForgetCountsOnce lets two flushers remove the same rows, in all the ways
// in which they can meet: the count of waiting bytes comes out even.
func TestForgetCountsOnce(t *testing.T) {
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		f := New(Options{Redis: rdb, Lanes: 1})
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		var ids []string
		for i := range 250 { // more than one piece of the script's own count
			id, err := rdb.XAdd(ctx, &redis.XAddArgs{Stream: StreamKey(0), ID: fmt.Sprintf("%d-%d", 1+i/10, i%10+1), Values: []any{"s p r " + fmt.Sprint(i), "0123456789"}}).Result()
			must(err)
			must(rdb.IncrBy(ctx, queue.Key(0, "logbytes"), 10).Err())
			ids = append(ids, id)
		}
		expect := func(rows int) {
			t.Helper()
			n, err := rdb.XLen(ctx, StreamKey(0)).Result()
			must(err)
			bytes, err := rdb.Get(ctx, queue.Key(0, "logbytes")).Int()
			must(err)
			if int(n) != rows || bytes != 10*rows {
				t.Errorf("%d rows and %d bytes wait; want %d and %d", n, bytes, rows, 10*rows)
			}
		}
		forget := func(from, to, bytes int) {
			t.Helper()
			batch := store.LogBatch{To: ids[to-1]}
			if from > 0 {
				batch.From = ids[from-1]
			}
			must(f.forget(ctx, 0, &batch, bytes))
		}
		forget(0, 3, 30)
		expect(247)
		forget(0, 3, 30) // the reply was lost
		expect(247)
		forget(3, 20, 170)
		expect(230)
		forget(3, 12, 90) // a flusher that read before the other removed
		expect(230)
		forget(12, 30, 180) // one that read from the middle
		expect(220)
		must(f.forget(ctx, 0, &store.LogBatch{From: unknownPosition, To: ids[239]}, 1)) // tidy
		expect(10)
		must(rdb.Del(ctx, queue.Key(0, "logmark")).Err())
		forget(240, 245, 50) // a mark that is lost
		expect(5)
	})
}

func TestForgetRemovesEndedRuns(t *testing.T) {
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		f := New(Options{Redis: rdb, Lanes: 1})
		var batch store.LogBatch
		for i := range 1200 {
			id := fmt.Sprint("run", i)
			if err := rdb.HSet(ctx, queue.Key(0, "run", id), "st", "succeeded").Err(); err != nil {
				t.Fatal(err)
			}
			if err := rdb.ZAdd(ctx, queue.Key(0, "live"), redis.Z{Member: id}).Err(); err != nil {
				t.Fatal(err)
			}
			if i != 7 {
				batch.Runs = append(batch.Runs, schema.Run{ID: id})
			}
		}
		batch.To = "1-1" // a first batch
		if err := f.forget(ctx, 0, &batch, 0); err != nil {
			t.Fatal(err)
		}
		if n, err := rdb.ZCard(ctx, queue.Key(0, "live")).Result(); err != nil || n != 1 {
			t.Errorf("%d runs are left (%v); want 1", n, err)
		}
		if n, err := rdb.Exists(ctx, queue.Key(0, "run", "run7"), queue.Key(0, "run", "run8")).Result(); err != nil || n != 1 {
			t.Errorf("of the run that goes on and one that ended %d are there (%v); want 1", n, err)
		}
	})
}

// TestForgetMakesUpForAnother removes rows that come after those of a flusher
// that did not get to remove its own: their runs go, too.
func TestForgetMakesUpForAnother(t *testing.T) {
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		f := New(Options{Redis: rdb, Lanes: 1})
		for i, run := range []string{"first", "second", "third"} {
			id := fmt.Sprintf("%d-1", i+1)
			if err := rdb.XAdd(ctx, &redis.XAddArgs{Stream: StreamKey(0), ID: id, Values: []any{"s p " + run + " 1", "12345", "r " + run, "12345"}}).Err(); err != nil {
				t.Fatal(err)
			}
			rdb.IncrBy(ctx, queue.Key(0, "logbytes"), 10)
			rdb.HSet(ctx, queue.Key(0, "run", run), "st", "succeeded")
			rdb.ZAdd(ctx, queue.Key(0, "live"), redis.Z{Member: run})
		}
		if err := f.forget(ctx, 0, &store.LogBatch{From: "1-1", To: "2-1", Runs: []schema.Run{{ID: "second"}}}, 10); err != nil {
			t.Fatal(err)
		}
		if left, err := rdb.ZRange(ctx, queue.Key(0, "live"), 0, -1).Result(); err != nil || len(left) != 1 || left[0] != "third" {
			t.Errorf("%v are left (%v); want the third", left, err)
		}
		if n, err := rdb.Exists(ctx, queue.Key(0, "run", "first"), queue.Key(0, "run", "second")).Result(); err != nil || n != 0 {
			t.Errorf("%d of two ended runs are left (%v)", n, err)
		}
		if n, err := rdb.Get(ctx, queue.Key(0, "logbytes")).Int(); err != nil || n != 10 {
			t.Errorf("%d bytes wait (%v); want 10", n, err)
		}
	})
}
