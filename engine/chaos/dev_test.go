package chaos_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// newDev is a `paragond dev` on a folder of its own, not started yet.
func newDev(t *testing.T) *process {
	p := &process{t: t, name: "dev", dir: t.TempDir(), args: []string{"dev", "--far-side", "", "--write-context", ""}}
	t.Cleanup(p.cleanup)
	return p
}

// TestDevIsKilledUnderLoad kills `paragond dev`, whose Redis lives in its
// memory: started again, it has every run that it acknowledged.
func TestDevIsKilledUnderLoad(t *testing.T) {
	t.Parallel()
	far := newFarSide(t)
	far.treats(func(o observation) answer { return answer{after: time.Duration(len(o.key)%2) * 100 * time.Millisecond} })
	p := newDev(t)
	open := map[string]bool{}    // keys whose answer was lost
	acked := map[string]string{} // key to run
	var mu sync.Mutex
	trigger := func(client *api.Client, key string) error {
		run, err := client.Trigger(t.Context(), shapeOfKey(key).name, request(key, key), 0)
		mu.Lock()
		defer mu.Unlock()
		switch before := acked[key]; {
		case err != nil:
			open[key] = true
		case before != "" && before != run.ID:
			t.Errorf("the key %s had run %s, now it has %s", key, before, run.ID)
		default:
			acked[key] = run.ID
			delete(open, key)
		}
		return err
	}
	for life := range 3 {
		p.start()
		client := api.New(p.url(), p.log.token, api.WithAttempts(1), api.WithTimeout(10*time.Second))
		defer client.Close()
		if life == 0 {
			_, err := client.Apply(t.Context(), api.ApplyRequest{Files: []api.File{{Name: "chaos.yaml", Content: yamlOf(far, chain, caller)}}}, api.ApplyOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}
		for key := range open {
			if err := trigger(client, key); err != nil {
				t.Errorf("the trigger %s, sent again: %v", key, err)
			}
		}
		for key := range acked { // the same key, the same run
			if err := trigger(client, key); err != nil {
				t.Errorf("the trigger %s, sent once more: %v", key, err)
			}
			break
		}
		if life == 2 {
			checkDev(t, client, far, acked)
			break
		}
		var wg sync.WaitGroup
		enough := make(chan struct{}, 1000)
		for caller := range 4 {
			wg.Go(func() {
				for i := range 200 {
					if trigger(client, fmt.Sprintf("run-%d-%d-%d", life, caller, i)) != nil {
						return
					}
					enough <- struct{}{}
				}
			})
		}
		for range 60 {
			<-enough
		}
		p.kill()
		wg.Wait()
	}
}

// checkDev waits until all the runs have ended, and compares them with what
// the far side saw.
func checkDev(t *testing.T, client *api.Client, far *farSide, acked map[string]string) {
	t.Helper()
	for key, id := range acked {
		run, err := client.Run(t.Context(), id, time.Minute)
		if err != nil {
			t.Fatalf("%s: run %s: %v", key, id, err)
		}
		if run.Status != schema.RunSucceeded {
			t.Errorf("%s: run %s is %s", key, id, run.Status)
		}
		checkDevSteps(t, client, far, shapeOfKey(key), id)
	}
	if err := far.oneRunEach(nil); err != nil {
		t.Error(err)
	}
	t.Logf("%d runs were acknowledged in two lives that were cut short, and have ended", len(acked))
}

// shapeOfKey has every fifth run call another one and wait for it.
func shapeOfKey(key string) shape {
	if strings.HasSuffix(key, "0") || strings.HasSuffix(key, "5") {
		return caller
	}
	return chain
}

// checkDevSteps checks that a run did all its steps, and none again once it had
// finished: then the far side had seen a later one.
func checkDevSteps(t *testing.T, client *api.Client, far *farSide, s shape, id string) {
	t.Helper()
	steps, err := client.Steps(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	succeeded := map[string]bool{}
	for _, step := range steps {
		succeeded[step.Path] = succeeded[step.Path] || step.Status == schema.StepSucceeded
	}
	seen := far.steps(id)
	if !slices.IsSorted(seen) { // the steps' names are in their order
		t.Errorf("run %s executed a finished step again: %v", id, seen)
	}
	for _, stage := range s.stages {
		for _, step := range stage {
			if !succeeded[step] {
				t.Errorf("run %s has no success of %s in its history", id, step)
			}
			if !slices.Contains(seen, step) {
				t.Errorf("run %s: the far side never saw %s", id, step)
			}
		}
	}
}

// TestDevIsKilledAfterAnEnd kills `paragond dev` in the moment in which it says
// that a run has ended: the run is not executed again.
func TestDevIsKilledAfterAnEnd(t *testing.T) {
	t.Parallel()
	far := newFarSide(t)
	p := newDev(t)
	ended := map[string]*schema.Run{}
	for life := range 4 {
		p.start()
		client := api.New(p.url(), p.log.token, api.WithAttempts(1), api.WithTimeout(30*time.Second))
		defer client.Close()
		if life == 0 {
			_, err := client.Apply(t.Context(), api.ApplyRequest{Files: []api.File{{Name: "chaos.yaml", Content: yamlOf(far, chain)}}}, api.ApplyOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}
		// What a start puts back is queued before it is ready, so a new run
		// that has ended comes after all that would be executed again.
		key := fmt.Sprintf("run-%d", life)
		run, err := client.Trigger(t.Context(), chain.name, request(key, key), 30*time.Second)
		if err != nil || run.Status != schema.RunSucceeded {
			t.Fatalf("%s: %+v, %v", key, run, err)
		}
		p.kill()
		ended[key] = run
	}
	p.start()
	client := api.New(p.url(), p.log.token)
	defer client.Close()
	for key, was := range ended {
		run, err := client.Run(t.Context(), was.ID, 0)
		if err != nil || run.Status != was.Status || !run.EndedAt.Equal(*was.EndedAt) {
			t.Errorf("%s was %+v before the kill and is %+v (%v)", key, was, run, err)
		}
		if seen := far.steps(was.ID); !slices.Equal(seen, []string{"a", "b", "c"}) {
			t.Errorf("the far side saw %v of %s; want each step once", seen, key)
		}
	}
}

// secretive sends on what its first step made of a secret.
const secretive = `
apiVersion: paragon/v1
kind: Secret
metadata: {name: TOKEN}
spec: {value: "planted-secret-7"}
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: secretive}
spec:
  steps:
    - {id: made, set: {text: "${{ 'with ' + secrets.TOKEN }}"}}
    - {id: more, function: {source: "return {text: steps.made.text + '!'}"}}
    - {id: rest, waitFor: {event: go.on, timeout: 1h}}
    - {id: sent, request: {method: POST, url: %s, body: {text: "${{ steps.made.text }}", more: "${{ steps.more.text }}"}}}
`

// TestDevIsKilledWithASecretInAResult kills ` + "`paragond dev`" + ` while a run waits
// that has a secret in a result: the run goes on with the secret, and not with
// what history shows in its place.
func TestDevIsKilledWithASecretInAResult(t *testing.T) {
	t.Parallel()
	far := newFarSide(t)
	p := newDev(t)
	p.start()
	client := api.New(p.url(), p.log.token)
	defer client.Close()
	file := api.File{Name: "secretive.yaml", Content: fmt.Sprintf(secretive, far.url())}
	if _, err := client.Apply(t.Context(), api.ApplyRequest{Files: []api.File{file}}, api.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	run, err := client.Trigger(t.Context(), "secretive", api.TriggerRequest{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for run.Status != schema.RunWaiting {
		if run, err = client.Run(t.Context(), run.ID, 0); err != nil {
			t.Fatal(err)
		}
	}
	p.kill()
	p.start()
	again := api.New(p.url(), p.log.token)
	defer again.Close()
	if _, err := again.SendEvent(t.Context(), api.EventRequest{Name: "go.on"}); err != nil {
		t.Fatal(err)
	}
	if run, err = again.WaitRun(t.Context(), run.ID); err != nil || run.Status != schema.RunSucceeded {
		t.Fatalf("the run is %+v (%v)", run, err)
	}
	for _, o := range far.history() {
		if o.step() != "sent" || !strings.Contains(string(o.body), `"more":"with planted-secret-7!"`) {
			t.Errorf("the far side was sent %q by step %s", o.body, o.step())
		}
	}
	if seen := far.steps(run.ID); !slices.Equal(seen, []string{"sent"}) {
		t.Errorf("the far side saw %v", seen)
	}
}

// TestDevIsKilledInALongLoop kills `paragond dev` in the middle of a loop that is
// spread over runs of chunks: it goes on, and what is in the store is not done
// again.
func TestDevIsKilledInALongLoop(t *testing.T) {
	t.Parallel()
	far := newFarSide(t)
	p := newDev(t)
	p.start()
	client := api.New(p.url(), p.log.token)
	defer client.Close()
	file := api.File{Name: "wide.yaml", Content: fmt.Sprintf(wide, far.url())}
	if _, err := client.Apply(t.Context(), api.ApplyRequest{Files: []api.File{file}}, api.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	const items, parallelism = 1100, 24
	run, err := client.Trigger(t.Context(), "wide", api.TriggerRequest{Input: []byte(`{"items":[` + zeros(items) + `]}`)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	far.await(t, time.Minute, "a third is done", func() bool { return len(far.history()) > items/3 })
	p.kill()
	p.start()
	again := api.New(p.url(), p.log.token)
	defer again.Close()
	if run, err = again.WaitRun(t.Context(), run.ID); err != nil || run.Status != schema.RunSucceeded {
		t.Fatalf("the run is %+v (%v)", run, err)
	}
	seen := map[string]bool{}
	for _, o := range far.history() {
		if o.run() == run.ID {
			t.Errorf("%s was executed by the run itself", o.step())
		}
		seen[o.step()] = true
	}
	if len(seen) != items {
		t.Errorf("the far side saw %d items; want %d", len(seen), items)
	}
	// An item is under way from its call until its record is in the store.
	if n := len(far.history()) - items; n > 2*parallelism {
		t.Errorf("%d items were executed again; %d were under way at most", n, parallelism)
	}
}
