package dash_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"paragon/schema/api"
)

// What `top` prints, GET …/stats and /metrics have the same numbers.
func TestTextHasTheSameNumbers(t *testing.T) {
	const runs = 7
	paragond, paragonctl := binaries(t)
	in := newInstallation(t, paragond)
	in.serve("api,worker,scheduler,flusher", in.address)
	in.ready(t.Context())
	in.apply(t.Context(), workflowsYAML)
	for range runs { // the far side is not well
		run, err := in.client.Trigger(t.Context(), "moody", api.TriggerRequest{}, 20*time.Second)
		in.must(err)
		if run.Status != "failed" {
			t.Fatalf("run %s is %s", run.ID, run.Status)
		}
	}
	var want *api.Stats
	enough := errors.New("enough")
	err := in.client.StreamStats(t.Context(), api.StatsQuery{}, func(*api.Stats) (err error) {
		if want, err = in.client.Stats(t.Context(), api.StatsQuery{Window: time.Hour}); err == nil && want.Total.Failed == runs {
			err = enough
		}
		return err
	})
	if !errors.Is(err, enough) {
		t.Fatalf("the statistics don't become %d: %v", runs, err)
	}

	top := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(paragonctl, append([]string{"top", "--once", "--window", "1h"}, args...)...)
		cmd.Env = append(in.env, "PARAGON_SERVER=http://"+in.address, "PARAGON_TOKEN="+in.token)
		out, err := cmd.Output()
		in.must(err)
		return string(out)
	}
	var got api.Stats
	in.must(json.Unmarshal([]byte(top("-o", "jsonl")), &got))
	if got.Total != want.Total || len(got.Workflows) != 1 || got.Workflows[0].StatsNumbers != want.Workflows[0].StatsNumbers {
		t.Errorf("top -o jsonl has %+v; GET …/stats %+v", got.Total, want.Total)
	}
	row := []string{"moody", fmt.Sprint(want.Total.Started), "0", fmt.Sprint(want.Total.Failed), fmt.Sprint(want.Total.Retried)}
	if text := top(); !strings.Contains(strings.Join(strings.Fields(text), " "), strings.Join(row, " ")) {
		t.Errorf("top has no row %q:\n%s", row, text)
	}

	res, err := http.Get("http://" + in.address + "/metrics")
	in.must(err)
	defer res.Body.Close()
	metrics, err := io.ReadAll(res.Body)
	in.must(err)
	for name, n := range map[string]int64{
		`paragon_runs_started_total{project="default",workflow="moody"}`:                  want.Total.Started,
		`paragon_runs_ended_total{project="default",status="failed",workflow="moody"}`:    want.Total.Failed,
		`paragon_runs_ended_total{project="default",status="succeeded",workflow="moody"}`: 0,
	} {
		if line := fmt.Sprintf("%s %d\n", name, n); !strings.Contains(string(metrics), line) {
			t.Errorf("/metrics has no line %q", line)
		}
	}
	if want.Total.Retried != runs || want.Total.Attempts < 2*runs {
		t.Errorf("%d of %d attempts are retries; want one of each run", want.Total.Retried, want.Total.Attempts)
	}
}
