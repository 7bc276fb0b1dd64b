package bench_test

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"os"
	"runtime/pprof"
	"sync"
	"testing"
	"time"

	"paragon/engine/daemon"
	"paragon/engine/queue"
	"paragon/engine/queue/baseline"
	"paragon/schema/api"
)

var (
	profile   = flag.String("bench.cpu", "", "write a CPU profile of the drain to this file")
	drainOnly = flag.Bool("bench.drain", false, "of the throughput figures, measure only those of runs queued before: no floor, whose time depends on the machine")
)

// three is the workflow of the throughput figures: three steps with an effect
// that does nothing, each checkpointed.
const three = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: three}
spec:
  steps:
    - {id: a, function: {source: "return null"}}
    - {id: b, function: {source: "return null"}}
    - {id: c, function: {source: "return null"}}
`

func apply(t testing.TB, c *api.Client, content string) {
	t.Helper()
	_, err := c.Apply(t.Context(), api.ApplyRequest{Files: []api.File{{Name: "bench.yaml", Content: content}}}, api.ApplyOptions{})
	must(t, err)
}

// triggerMany triggers n runs of a workflow as NDJSON from several connections.
func triggerMany(t testing.TB, c *api.Client, workflow string, n, connections int) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make(chan error, connections)
	for i := range connections {
		share := n / connections
		if i < n%connections {
			share++
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs <- c.TriggerMany(t.Context(), workflow, requests(share), func(_ int, line api.TriggerLine) error {
				if line.Error != nil {
					return line.Error
				}
				return nil
			})
		}()
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
}

func requests(n int) iter.Seq2[api.TriggerRequest, error] {
	return func(yield func(api.TriggerRequest, error) bool) {
		for range n {
			if !yield(api.TriggerRequest{}, nil) {
				return
			}
		}
	}
}

// until waits until a table has so many rows. It asks sparingly: counting the
// rows of a big table costs what it counts.
func (w *world) until(ctx context.Context, table string, n int) {
	w.t.Helper()
	for w.rows(table) < n {
		must(w.t, ctx.Err())
		time.Sleep(100 * time.Millisecond) // a poll of what is measured in seconds
	}
}

// untilFlushed waits until so many runs are in Postgres with all their rows. A
// run leaves Redis when the transaction with its last row has been committed,
// so that is looked at, in nearly no time; the rows are counted once, after.
func (w *world) untilFlushed(runs int) {
	w.t.Helper()
	w.untilNoneLives()
	flushed := time.Now()
	if got := w.rows("runs"); got != runs {
		w.t.Fatalf("%d run rows %v after no run is left in Redis; want %d", got, time.Since(flushed), runs)
	}
}

// untilNoneLives waits until no run is left in Redis.
func (w *world) untilNoneLives() {
	w.t.Helper()
	for w.live() > 0 {
		time.Sleep(5 * time.Millisecond) // a poll of what is measured in seconds
	}
}

// live is how many runs are in Redis.
func (w *world) live() (n int64) {
	w.t.Helper()
	for lane := range w.lanes {
		count, err := w.rdb.ZCard(w.t.Context(), queue.Key(lane, "live")).Result()
		must(w.t, err)
		n += count
	}
	return n
}

func TestThroughput(t *testing.T) {
	runs := size(2_000, 100_000)
	w := newWorld(t)
	front := w.start(daemon.RoleAPI)
	c := w.client(front)
	apply(t, c, three)

	raw := map[int]float64{}
	floors := []int{1, 16}
	if *drainOnly {
		floors = nil
	}
	for _, servers := range floors {
		rate, err := baseline.RawAsynq(t.Context(), w.rdb, servers, min(runs, 50_000))
		must(t, err)
		raw[servers] = rate
		report(figure{Name: fmt.Sprintf("raw asynq, %d server(s), no-op task, no log", servers), Value: rate, Unit: "tasks/s"})
	}

	appended := w.info("persistence", "aof_current_size")
	used, began := w.cpu(), time.Now()
	triggerMany(t, c, "three", runs, 8)
	report(figure{Name: "triggers accepted as NDJSON", Value: float64(runs) / time.Since(began).Seconds(), Unit: "runs/s",
		Bar: "30,000/s", Note: w.cpu().per(used, runs)})

	stopProfile := startProfile(t)
	used, began = w.cpu(), time.Now()
	back := w.start(daemon.RoleWorker, daemon.RoleScheduler, daemon.RoleFlusher)
	w.untilFlushed(runs)
	rate := float64(runs) / time.Since(began).Seconds()
	to := func(floor float64) float64 { // 0: none was measured
		if floor == 0 {
			return 0
		}
		return rate / floor
	}
	stopProfile()
	report(figure{Name: "runs of three no-op steps to the last log row, queued before", Value: rate, Unit: "runs/s",
		Floor: "asynq, 1 server", Ratio: to(raw[1]), Bar: "2.0", Note: w.cpu().per(used, runs)})
	report(figure{Name: "the same", Value: rate, Unit: "runs/s", Floor: "asynq, best of 16", Ratio: to(raw[16]), Bar: "0.7"})

	report(figure{Name: "bytes that Redis appends to its file for such a run", Value: float64(w.info("persistence", "aof_current_size")-appended) / float64(runs), Unit: "bytes"})
	var bytes int64
	must(t, w.pg.QueryRow(t.Context(), `SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables WHERE relname ~ '^(runs|steps)'`).Scan(&bytes))
	report(figure{Name: "bytes of such a run in Postgres, indexes included", Value: float64(bytes) / float64(runs), Unit: "bytes"})
	if *drainOnly {
		return
	}

	began = time.Now()
	triggerMany(t, c, "three", runs, 8)
	w.untilFlushed(2 * runs)
	rate = float64(runs) / time.Since(began).Seconds()
	report(figure{Name: "runs to the last log row while they are triggered", Value: rate, Unit: "runs/s",
		Floor: "asynq, best of 16", Ratio: rate / raw[16], Bar: "0.5"})
	if got := w.rows("runs"); got != 2*runs {
		t.Errorf("%d run rows; want %d", got, 2*runs)
	}
	if got := w.rows("steps"); got != 6*runs {
		t.Errorf("%d step rows; want %d", got, 6*runs)
	}
	w.stop(back)
}

// startProfile writes a CPU profile where -bench.cpu says so.
func startProfile(t *testing.T) (stop func()) {
	if *profile == "" {
		return func() {}
	}
	f, err := os.Create(*profile)
	must(t, err)
	must(t, pprof.StartCPUProfile(f))
	return func() {
		pprof.StopCPUProfile()
		must(t, f.Close())
	}
}
