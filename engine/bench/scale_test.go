package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"paragon/engine/daemon"
	"paragon/engine/execution"
	"paragon/engine/queue"
	"paragon/engine/seal"
	"paragon/engine/store"
	"paragon/engine/store/postgres"
	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/steps"
)

// TestScale measures the drain of a full queue with more lanes and more worker
// processes, all on this one machine: what they cost each other, not what more
// machines would bring. See docs/scale.md.
func TestScale(t *testing.T) {
	runs := size(1_000, 40_000)
	for _, c := range []struct{ lanes, workers int }{{1, 1}, {2, 1}, {4, 1}, {4, 2}, {4, 4}} {
		t.Run(fmt.Sprintf("%d lanes, %d workers", c.lanes, c.workers), func(t *testing.T) {
			w := newWorld(t)
			w.lanes = c.lanes
			front := w.start(daemon.RoleAPI)
			client := w.client(front)
			apply(t, client, three)
			triggerMany(t, client, "three", runs, 8)
			used, began := w.cpu(), time.Now()
			back := w.start(daemon.RoleScheduler, daemon.RoleFlusher)
			for range c.workers {
				w.startProcess()
			}
			w.untilFlushed(runs)
			rate := float64(runs) / time.Since(began).Seconds()
			all := w.cpu()
			report(figure{Name: fmt.Sprintf("runs drained: %d lane(s), %d worker process(es)", c.lanes, c.workers), Value: rate, Unit: "runs/s",
				Note: "workers apart, " + all.per(used, runs)})
			w.stop(back)
		})
	}
}

// workerEnv makes the test's binary a worker process: it holds what that
// connects to.
const workerEnv = "PARAGON_BENCH_WORKER"

type workerWorld struct {
	Redis, Postgres, Key string
	Lanes                int
}

// startProcess starts a worker in a process of its own. It ends with the test.
func (w *world) startProcess() {
	w.t.Helper()
	self, err := os.Executable()
	must(w.t, err)
	of, err := json.Marshal(workerWorld{Redis: "redis://" + w.redis.Addr, Postgres: w.pgURL, Key: w.keyFile, Lanes: w.lanes})
	must(w.t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), workerEnv+"="+string(of))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(w.t, err)
	must(w.t, cmd.Start())
	w.t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			w.t.Errorf("worker process: %v", err)
		}
	})
}

// runWorker is a worker process until its standard input ends.
func runWorker(of string) (code int) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := workUntil(os.Stdin, of, log); err != nil {
		log.Error("worker", "error", err)
		return 1
	}
	return 0
}

func workUntil(end io.Reader, of string, log *slog.Logger) error {
	var world workerWorld
	if err := json.Unmarshal([]byte(of), &world); err != nil {
		return err
	}
	ctx := context.Background()
	db, err := postgres.Open(ctx, world.Postgres)
	if err != nil {
		return err
	}
	defer db.Close()
	keyring, err := seal.LoadKeyring(seal.Source{File: world.Key})
	if err != nil {
		return err
	}
	rdb, err := queue.NewRedis(world.Redis, queue.RedisOptions{})
	if err != nil {
		return err
	}
	defer rdb.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d, err := daemon.Start(ctx, daemon.Options{
		Roles: []daemon.Role{daemon.RoleWorker}, Store: db, Redis: rdb, Lanes: world.Lanes, Keyring: keyring, Listener: ln, Log: log,
		Performers: map[workflows.StepKind]steps.Performer{workflows.StepFunction: noop{}},
	})
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, end)
	stop, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return d.Stop(stop)
}

// TestPartitions writes rows that are of one day, and of more days at once, each
// with its partitions: what more of them cost or bring a writer.
func TestPartitions(t *testing.T) {
	w := newWorld(t)
	db := w.openStore()
	batches := size(1, 10)
	steps := make([]store.StepRow, 10_000)
	now := time.Now().UTC()
	for _, days := range []int{1, 7, 30} {
		stream := fmt.Sprintf("bench%d", days)
		var took time.Duration
		for batch := range batches + 1 {
			id := ""
			for i := range steps {
				at := now.AddDate(0, 0, -(i/3)%days)
				if i%3 == 0 {
					id = execution.NewRunID(at, 0)
				}
				steps[i] = store.StepRow{Project: "default", Run: id, Seq: int64(i%3 + 1), StepRecord: schema.StepRecord{
					Path: "lookup", Step: "lookup", Kind: "request", Status: schema.StepSucceeded, Attempt: 1, StartedAt: at, EndedAt: at,
					Result: json.RawMessage(`{"status":200,"headers":{"content-type":"application/json"},"body":{"total":1}}`),
				}}
			}
			began := time.Now()
			_, err := db.WriteLog(t.Context(), store.LogBatch{Stream: stream, From: position(batch), To: position(batch + 1), Steps: steps})
			must(t, err)
			if batch > 0 { // the first makes the partitions
				took += time.Since(began)
			}
		}
		report(figure{Name: fmt.Sprintf("log rows written to Postgres, of %d day(s) at once", days), Value: float64(batches*len(steps)) / took.Seconds(), Unit: "rows/s"})
	}
}
