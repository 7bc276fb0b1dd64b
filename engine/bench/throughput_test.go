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
	"paragon/engine/queue/baseline"
	"paragon/schema/api"
)

var (
	full    = flag.Bool("bench.full", false, "measure at full size, and write the result")
	profile = flag.String("bench.cpu", "", "write a CPU profile of the drain to this file")
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

// until waits until a table has so many rows.
func (w *world) until(ctx context.Context, table string, n int) {
	w.t.Helper()
	for {
		var have int
		must(w.t, w.pg.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM %s", table)).Scan(&have))
		if have >= n {
			return
		}
		time.Sleep(20 * time.Millisecond) // a poll of what is measured in seconds
	}
}

func TestThroughput(t *testing.T) {
	runs := 2_000
	if *full {
		runs = 100_000
	}
	w := newWorld(t)
	front := w.start(daemon.RoleAPI)
	c := w.client(front)
	apply(t, c, three)

	used, began := w.cpu(), time.Now()
	triggerMany(t, c, "three", runs, 8)
	t.Logf("triggered as NDJSON: %.0f/s; a trigger took %s", float64(runs)/time.Since(began).Seconds(), w.cpu().per(used, runs))

	if *profile != "" {
		f, err := os.Create(*profile)
		must(t, err)
		must(t, pprof.StartCPUProfile(f))
		defer f.Close()
	}
	used, began = w.cpu(), time.Now()
	back := w.start(daemon.RoleWorker, daemon.RoleScheduler, daemon.RoleFlusher)
	w.until(t.Context(), "steps", 3*runs)
	w.until(t.Context(), "runs", runs)
	rate := float64(runs) / time.Since(began).Seconds()
	if *profile != "" {
		pprof.StopCPUProfile()
	}
	t.Logf("drained to the last log row: %.0f runs/s; a run took %s", rate, w.cpu().per(used, runs))
	if got := w.rows("runs"); got != runs {
		t.Errorf("%d run rows; want %d", got, runs)
	}
	if got := w.rows("steps"); got != 3*runs {
		t.Errorf("%d step rows; want %d", got, 3*runs)
	}
	w.stop(back)
	if os.Getenv("PARAGON_BENCH_LOG") != "" {
		info, err := w.rdb.Info(t.Context(), "commandstats", "cpu").Result()
		must(t, err)
		t.Log(info)
	}

	for _, servers := range []int{1, 16} {
		raw, err := baseline.RawAsynq(t.Context(), w.rdb, servers, min(runs, 50_000))
		must(t, err)
		t.Logf("raw asynq, %d servers: %.0f/s (ratio %.2f)", servers, raw, rate/raw)
	}
}
