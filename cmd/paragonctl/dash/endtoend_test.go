package dash_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"paragon/schema/api"
)

const workflowsYAML = `apiVersion: paragon/v1
kind: Workflow
metadata: {name: gated}
spec:
  steps:
    - id: before
      set: {ready: true}
    - id: gate
      request: {method: GET, url: FAR/gate}
      timeout: 2m
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: moody}
spec:
  steps:
    - id: first
      set: {n: 1}
    - id: call
      request: {method: POST, url: FAR/moody, body: {n: "${{ steps.first.n }}"}}
      retry: {maxAttempts: 2, initialInterval: 10ms}
`

// An operator watches a worker die and another take over, holds a workflow
// back, repairs a failed run, and sees the server itself come and go: the real
// programs, on a real Postgres and Redis, by keystrokes.
func TestAWorkerFailsAndRecovers(t *testing.T) {
	paragond, paragonctl := binaries(t)
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	in := newInstallation(t, paragond)
	server := in.serve("api,scheduler,flusher", in.address)
	in.ready(ctx)
	in.apply(ctx, workflowsYAML)
	first := in.worker()

	began := time.Now()
	s := in.dash(paragonctl, 120, 32)
	see := func(texts ...string) {
		t.Helper()
		in.must(s.AwaitText(ctx, texts...))
	}
	see("? help")
	t.Logf("the first picture came after %v", s.First().Sub(began).Round(time.Millisecond))
	in.must(s.Type(":runs\r"))
	see("No runs yet.")

	// A run is on the screen soon after it began.
	run, err := in.client.Trigger(ctx, "gated", api.TriggerRequest{Input: json.RawMessage(`{}`)}, 0)
	in.must(err)
	<-in.far.entered
	entered := time.Now()
	see("running", run.ID)
	t.Logf("a running run was on the screen %v after its request", time.Since(entered).Round(time.Millisecond))
	in.must(s.Type("\r"))
	see("run "+run.ID, "succeeded  before")

	// Its worker dies in the middle, and the screen says so. Another one takes
	// the run over.
	in.must(s.Type(":workers\r"))
	see("1 of 1 worker alive · 1 run", "✓ alive")
	in.must(s.Type("\r"))
	see("workers > runs of", run.ID, "gated")
	in.must(s.Type("q"))
	first.kill()
	see("0 of 1 worker alive", "✗ lost")
	in.worker()
	see("1 of 1 worker alive", "✓ alive")
	<-in.far.entered // the request was made anew
	close(in.far.open)
	in.must(s.Type(":run " + run.ID + "\r"))
	see("recovered", "1 time by another worker")

	// The operator holds a workflow back and lets it go on: its run fails.
	in.must(s.Type(":workflows\r"))
	see("moody")
	in.must(s.Type("jP"))
	see("Pause workflow moody?", "No")
	in.must(s.Type("y"))
	see("pause workflow moody: 1 of 1, done")
	_, err = in.client.Trigger(ctx, "moody", api.TriggerRequest{}, 0)
	in.must(err)
	in.must(s.Type(":queues\r"))
	see("paused", "workflow", "moody")
	in.must(s.Type("P"))
	see("Resume workflow moody?", "No")
	in.must(s.Type("y"))
	see("resume workflow moody: 1 of 1, done")

	// The operator finds the run by its error and retries it.
	in.must(s.Type(":runs\r"))
	see("failed", "http 503: POST")
	in.must(s.Type("e"))
	see("groups of 1 run", "moody")
	in.must(s.Type("\r"))
	see("/ workflow:moody status:failed", "1 of 1")
	in.far.well.Store(true)
	in.must(s.Type("r"))
	see("Retry run", "of moody?", "No")
	in.must(s.Type("y"))
	see("retry 1 run: 1 of 1, done")
	in.must(s.Type("qq"))
	in.must(s.Await(ctx, "a replayed run that succeeded", func(screen string) bool {
		for line := range strings.SplitSeq(screen, "\n") {
			if strings.Contains(line, "succeeded") && strings.Contains(line, "moody") && strings.Contains(line, "replay") {
				return true
			}
		}
		return false
	}))

	// The server goes away and comes back; what was known stays.
	server.kill()
	see("stale", "trying again every second", run.ID)
	in.serve("api,scheduler,flusher", in.address)
	in.must(s.Await(ctx, "a screen that is live again", func(screen string) bool { return !strings.Contains(screen, "stale") }))

	// Small, and large.
	in.must(s.Resize(60, 16))
	see("enter open")
	in.must(s.Resize(300, 80))
	see(run.ID, "group failures by error")

	in.must(s.Type("q"))
	code, err := s.Wait()
	if code != 0 || err != nil {
		t.Errorf("it left with %d, %v", code, err)
	}
}
