package daemon_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paragon/engine/metrics"
	"paragon/schema/api"
)

// TestMetrics asks a server for its metrics, after it has executed some runs:
// every name of the list is there, every source answers, and the counters, GET
// …/stats and what its stream has told add up to the same.
func TestMetrics(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.apply("good", `
steps:
  - {id: a, set: {x: 1}}
`)
	d.apply("bad", `
steps:
  - {id: a, fail: {message: "no"}}
`)
	d.put("apiVersion: paragon/v1\nkind: Destination\nmetadata: {name: hook}\nspec:\n  webhook: {url: " + d.FarSide + "/status/200}\n")
	if _, err := d.TestDestination(t.Context(), "hook"); err != nil {
		t.Fatal(err)
	}
	soon(t, "the destination got its test", func() bool {
		list, err := d.Deliveries(t.Context(), "hook")
		return err == nil && len(list.Items) == 1 && list.Items[0].State == api.DeliveryDelivered
	})
	told := d.follow()
	for range 5 {
		d.succeed("good", "{}", "")
	}
	for range 3 {
		d.wait(d.trigger("bad", "{}"))
	}
	d.soonCounted(5, 3)
	sums := told()
	for name, want := range map[string]api.StatsNumbers{
		"good": {Started: 5, Succeeded: 5}, "bad": {Started: 3, Failed: 3}} {
		got := sums[name]
		if got.Started != want.Started || got.Succeeded != want.Succeeded || got.Failed != want.Failed {
			t.Errorf("the stream told of %+v of %s; want %+v", got, name, want)
		}
	}
	d.apply("keeps", `output: "${{ input }}"
steps:
  - {id: a, set: {x: 1}}
`)
	d.succeed("keeps", large(300<<10), large(300<<10))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.Addr().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", res.StatusCode, err, body)
	}
	text := string(body)
	for _, m := range metrics.List() {
		if m.Name == "paragon_calls_total" {
			continue // nothing was called
		}
		if !strings.Contains(text, "\n"+m.Name) {
			t.Errorf("%s is not there", m.Name)
		}
	}
	for _, source := range []string{"queues", "workers", "log", "destinations"} {
		if !strings.Contains(text, `paragon_source_up{source="`+source+`"} 1`) {
			t.Errorf("the source %s did not answer", source)
		}
	}
	for _, line := range []string{
		`paragon_workers{state="alive"} 1`,
		`paragon_runs_started_total{project="default",workflow="good"} 5`,
		`paragon_runs_started_total{project="default",workflow="bad"} 3`,
		`paragon_runs_ended_total{project="default",status="succeeded",workflow="good"} 5`,
		`paragon_runs_ended_total{project="default",status="failed",workflow="bad"} 3`,
		`paragon_run_duration_seconds_count{project="default",workflow="good"} 5`,
		`paragon_run_wait_seconds_count{project="default",workflow="bad"} 3`,
		`paragon_destination_attempts_total{destination="hook",outcome="delivered",project="default"} 1`,
		`paragon_destination_disabled{destination="hook",project="default"} 0`,
		`paragon_storage_requests_total{operation="put",outcome="done"} 1`,
		`paragon_storage_bytes_total{direction="written"} 307200`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %q in\n%s", line, text)
		}
	}
}

// follow sums up what the stream of statistics tells, by workflow, from before
// it returns. The function it returns ends the stream once it has told of as
// many ends as GET …/stats has, and gives the sums.
func (d *dev) follow() func() map[string]api.StatsNumbers {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 60*time.Second)
	sums := map[string]api.StatsNumbers{}
	first, enough, done := make(chan bool), errors.New("enough"), make(chan error, 1)
	var asked atomic.Bool
	go func() {
		begun := false
		done <- d.StreamStats(ctx, api.StatsQuery{}, func(s *api.Stats) error {
			if !begun {
				begun = true
				close(first)
			}
			ended := int64(0)
			for _, w := range s.Workflows {
				n := sums[w.Name]
				n.Started += w.Started
				n.Succeeded += w.Succeeded
				n.Failed += w.Failed
				sums[w.Name] = n
			}
			for _, n := range sums {
				ended += n.Ended()
			}
			if !asked.Load() {
				return nil
			}
			all, err := d.Stats(ctx, api.StatsQuery{Window: 5 * time.Minute})
			if err == nil && ended >= all.Total.Ended() {
				err = enough
			}
			return err
		})
	}()
	<-first
	return func() map[string]api.StatsNumbers {
		d.t.Helper()
		defer cancel()
		asked.Store(true)
		if err := <-done; !errors.Is(err, enough) {
			d.t.Fatalf("the stream of statistics never told of all: %v", err)
		}
		return sums
	}
}

// soonCounted asks GET …/stats at every event of its stream, until it tells of
// that many ends.
func (d *dev) soonCounted(succeeded, failed int64) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	enough := errors.New("enough")
	err := d.StreamStats(ctx, api.StatsQuery{}, func(s *api.Stats) error {
		got, err := d.Stats(ctx, api.StatsQuery{Window: 5 * time.Minute})
		if err != nil {
			return err
		}
		if got.Total.Succeeded == succeeded && got.Total.Failed == failed {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		d.t.Fatalf("the statistics do not become %d succeeded, %d failed: %v", succeeded, failed, err)
	}
}
