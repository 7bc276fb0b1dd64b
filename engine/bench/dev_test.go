package bench_test

import (
	"log/slog"
	"testing"
	"time"

	"paragon/engine/daemon"
	"paragon/schema"
	"paragon/schema/api"
)

// TestDevThroughput measures paragond dev, which makes every run durable in
// SQLite, with functions that are really executed.
func TestDevThroughput(t *testing.T) {
	runs := size(300, 10_000)
	dev, err := daemon.StartDev(t.Context(), daemon.DevOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { _ = dev.Stop(t.Context()) })
	c := api.New("http://"+dev.Addr().String(), dev.Token)
	apply(t, c, three)
	began := time.Now()
	triggerMany(t, c, "three", runs, 4)
	accepted := time.Since(began)
	for {
		list, err := c.Runs(t.Context(), api.RunsQuery{Status: []schema.RunStatus{schema.RunQueued, schema.RunRunning, schema.RunWaiting}, Limit: 1})
		must(t, err)
		if len(list.Items) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond) // a poll of what is measured in seconds
	}
	failed, err := c.Runs(t.Context(), api.RunsQuery{Status: []schema.RunStatus{schema.RunFailed, schema.RunCanceled}, Limit: 1})
	must(t, err)
	if len(failed.Items) > 0 {
		t.Fatalf("a run did not succeed: %+v", failed.Items[0].Error)
	}
	report(figure{Name: "paragond dev: triggers accepted as NDJSON", Value: float64(runs) / accepted.Seconds(), Unit: "runs/s"})
	report(figure{Name: "paragond dev: runs of three functions, from the first trigger to the last end", Value: float64(runs) / time.Since(began).Seconds(),
		Unit: "runs/s", Bar: "500, reach for 1,500"})
}
