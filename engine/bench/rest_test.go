package bench_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/cache"
	"paragon/engine/daemon"
	"paragon/engine/execution"
	"paragon/engine/store"
	"paragon/schema"
)

func TestConfigurationRead(t *testing.T) {
	w := newWorld(t)
	d := w.start(daemon.RoleAPI)
	apply(t, w.client(d), three)
	c := cache.New(w.rdb, cache.Options{Keyring: w.keyring})
	must(t, c.Start(t.Context()))
	t.Cleanup(func() { c.Stop(t.Context()) })
	var wf *cache.Workflow
	read := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			wf = c.Project("default").Workflow("three")
		}
	})
	if wf == nil {
		t.Fatal("the workflow is not in the cache")
	}
	names := map[string]*cache.Workflow{"three": wf, "other": nil}
	bare := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			wf = names["three"]
		}
	})
	get := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			w.rdb.Get(b.Context(), "none")
		}
	})
	report(figure{Name: "configuration read on the execution path", Value: float64(read.NsPerOp()), Unit: "ns",
		Floor: "a map read", Ratio: float64(read.NsPerOp()) / float64(max(bare.NsPerOp(), 1)), Bar: "100 ns",
		Note: fmt.Sprintf("a Redis GET takes %d ns", get.NsPerOp())})
}

func TestLogRows(t *testing.T) {
	w := newWorld(t)
	batches, rows := size(2, 20), 10_000
	now := time.Now().UTC()
	db := w.openStore()
	steps := make([]store.StepRow, rows)
	fill := func(batch int) {
		id := ""
		for i := range steps {
			if i%3 == 0 {
				id = execution.NewRunID(now, 0)
			}
			steps[i] = store.StepRow{Project: "default", Run: id, Seq: int64(i%3 + 1), StepRecord: schema.StepRecord{
				Path: "lookup", Step: "lookup", Kind: "request", Status: schema.StepSucceeded, Attempt: 1, StartedAt: now, EndedAt: now,
				Result: json.RawMessage(`{"status":200,"headers":{"content-type":"application/json"},"body":{"total":1}}`),
			}}
		}
	}
	fill(-1)
	_, err := db.WriteLog(t.Context(), store.LogBatch{Stream: "warm", To: "1", Steps: steps})
	must(t, err)
	var ours, bare time.Duration
	_, err = w.pg.Exec(t.Context(), `CREATE TABLE bare (LIKE steps INCLUDING ALL)`)
	must(t, err)
	columns := []string{"run", "project", "seq", "path", "step", "kind", "status", "attempt", "started_at", "ended_at", "result"}
	for i := range batches {
		fill(i)
		at := time.Now()
		_, err := db.WriteLog(t.Context(), store.LogBatch{Stream: "bench", From: position(i), To: position(i + 1), Steps: steps})
		must(t, err)
		ours += time.Since(at)
		at = time.Now()
		_, err = w.pg.CopyFrom(t.Context(), pgx.Identifier{"bare"}, columns, pgx.CopyFromSlice(rows, func(j int) ([]any, error) {
			s := &steps[j]
			return []any{s.Run, s.Project, s.Seq, s.Path, s.Step, s.Kind, string(s.Status), s.Attempt, s.StartedAt, s.EndedAt, string(s.Result)}, nil
		}))
		must(t, err)
		bare += time.Since(at)
	}
	rate := float64(batches*rows) / ours.Seconds()
	report(figure{Name: "log rows written to Postgres, batches of 10,000", Value: rate, Unit: "rows/s",
		Floor: "bare COPY", Ratio: bare.Seconds() / ours.Seconds(), Bar: "0.8"})
}

func position(i int) string {
	if i == 0 {
		return ""
	}
	return strconv.Itoa(i) + "-0"
}

const waiting = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: waiting}
spec:
  steps:
    - {id: pause, delay: {for: 1h}}
`

func TestMemoryOfWaitingRuns(t *testing.T) {
	runs := size(1_000, 100_000)
	w := newWorld(t)
	d := w.start(daemon.AllRoles...)
	c := w.client(d)
	apply(t, c, waiting)
	redisBefore, heapBefore := w.redisMemory(), heap()
	triggerMany(t, c, "waiting", runs, 8)
	for deadline := time.Now().Add(5 * time.Minute); w.parked() < runs; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d runs are parked", w.parked(), runs)
		}
	}
	w.until(t.Context(), "steps", runs)
	time.Sleep(time.Second) // the flusher removes what it has written
	report(figure{Name: "Redis memory of a waiting run", Value: float64(w.redisMemory()-redisBefore) / float64(runs), Unit: "bytes", Bar: "2,048 beyond its own data"})
	report(figure{Name: fmt.Sprintf("heap of the process with %d runs waiting", runs), Value: float64(heap()-heapBefore) / (1 << 20), Unit: "MiB more", Bar: "does not grow with them"})
}

func (w *world) parked() (n int) {
	w.t.Helper()
	for lane := range w.lanes {
		count, err := w.rdb.ZCard(w.t.Context(), timersKey(lane)).Result()
		must(w.t, err)
		n += int(count)
	}
	return n
}

func (w *world) redisMemory() int64 { return w.info("memory", "used_memory") }

// info is a number of Redis' own accounts.
func (w *world) info(section, name string) int64 {
	w.t.Helper()
	info, err := w.rdb.Info(w.t.Context(), section).Result()
	must(w.t, err)
	for line := range strings.Lines(info) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			n, err := strconv.ParseInt(text, 10, 64)
			must(w.t, err)
			return n
		}
	}
	w.t.Fatalf("Redis' %s has no %s", section, name)
	return 0
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestDevStart measures from the start of the built binary until it is ready.
func TestDevStart(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "paragond")
	build := exec.Command("go", "build", "-o", bin, "paragon/cmd/paragond")
	build.Stderr = os.Stderr
	must(t, build.Run())
	var took []time.Duration
	for i := range size(2, 10) {
		took = append(took, startOnce(t, bin, filepath.Join(dir, "data"+strconv.Itoa(i))))
	}
	report(figure{Name: "paragond dev from start to ready, first start, median", Value: quantile(took, 0.5), Unit: "ms", Bar: "1,000 ms"})
}

func startOnce(t *testing.T, bin, dir string) time.Duration {
	t.Helper()
	cmd := exec.Command(bin, "dev", "--data", dir, "--listen", "127.0.0.1:17499", "--far-side", "", "--write-context", "")
	began := time.Now()
	must(t, cmd.Start())
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for time.Since(began) < 10*time.Second {
		resp, err := http.Get("http://127.0.0.1:17499/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return time.Since(began)
			}
		}
		time.Sleep(2 * time.Millisecond) // another process's start sends no signal
	}
	t.Fatal("paragond dev did not become ready")
	return 0
}
