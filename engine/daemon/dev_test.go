package daemon_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/engine/daemon"
	"paragon/engine/servicetest"
	"paragon/schema"
	"paragon/schema/api"
)

func TestMain(m *testing.M) { servicetest.Main(m) }

// dev is a `paragond dev` in this process.
type dev struct {
	*daemon.Dev
	*api.Client
	t   testing.TB
	dir string
	// caller is whose token calls through the proxy carry; empty: the owner's.
	caller string
}

func startDev(t testing.TB, dir string, change ...func(*daemon.DevOptions)) *dev {
	t.Helper()
	o := daemon.DevOptions{
		Dir: dir, Listen: "127.0.0.1:0", FarSide: "127.0.0.1:0",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, f := range change {
		f(&o)
	}
	d, err := daemon.StartDev(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	out := &dev{Dev: d, Client: api.New("http://"+d.Addr().String(), d.Token), t: t, dir: dir}
	t.Cleanup(out.stop)
	return out
}

func (d *dev) stop() {
	if d.Dev == nil {
		return
	}
	d.Client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.Dev.Stop(ctx); err != nil {
		d.t.Errorf("stop: %v", err)
	}
	d.Dev = nil
	http.DefaultClient.CloseIdleConnections()
}

// apply applies a workflow given as the lines of its spec.
func (d *dev) apply(name, spec string) {
	d.t.Helper()
	content := "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: " + name + "}\nspec:\n" +
		strings.ReplaceAll(strings.ReplaceAll("\n"+spec, "\n", "\n  "), "FAR", d.FarSide)
	_, err := d.Apply(d.t.Context(), api.ApplyRequest{Files: []api.File{{Name: name + ".yaml", Content: content}}}, api.ApplyOptions{})
	if err != nil {
		d.t.Fatalf("apply %s: %v\n%s", name, err, content)
	}
}

func (d *dev) trigger(workflow, input string) string {
	d.t.Helper()
	run, err := d.Trigger(d.t.Context(), workflow, api.TriggerRequest{Input: json.RawMessage(input)}, 0)
	if err != nil {
		d.t.Fatalf("trigger %s: %v", workflow, err)
	}
	return run.ID
}

// wait waits until a run has ended.
func (d *dev) wait(id string) *schema.Run {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	run, err := d.WaitRun(ctx, id)
	if err != nil {
		d.t.Fatalf("wait for run %s: %v", id, err)
	}
	return run
}

func (d *dev) succeed(workflow, input, want string) *schema.Run {
	d.t.Helper()
	run := d.wait(d.trigger(workflow, input))
	if run.Status != schema.RunSucceeded {
		d.t.Fatalf("run of %s %s: %+v", workflow, run.Status, run.Error)
	}
	if got := string(run.Output); got != want {
		d.t.Errorf("output of %s = %s; want %s", workflow, got, want)
	}
	return run
}

func TestConstructsEndToEnd(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.apply("enrich", `
steps:
  - {id: out, respond: {body: {upper: "${{ upper(input.email) }}"}}}
`)
	d.apply("all", `
steps:
  - id: post
    request: {method: POST, url: FAR/anything, body: {n: "${{ input.n }}"}}
  - id: each
    forEach: {items: "${{ input.list }}", as: x, parallelism: 3}
    steps:
      - {id: double, set: {v: "${{ x * 2 }}"}}
  - id: both
    parallel:
      branches:
        left: {steps: [{id: l, set: {v: 1}}]}
        right: {steps: [{id: r, delay: {for: 20ms}}, {id: r2, set: {v: 2}}]}
  - id: sub
    call: {workflow: enrich, input: {email: a@b.c}}
  - id: fn
    function: {source: "return input.n + 1"}
  - id: way
    switch:
      - if: "${{ input.n > 100 }}"
        steps: [{id: big, set: {v: big}}]
      - else: true
        steps: [{id: small, set: {v: small}}]
  - id: soft
    onError: continue
    request: {url: FAR/status/404}
  - id: reply
    respond:
      body:
        n: "${{ steps.post.body.json.n }}"
        each: "${{ steps.each }}"
        both: "${{ steps.both }}"
        sub: "${{ steps.sub.upper }}"
        fn: "${{ steps.fn }}"
        way: "${{ steps.way.v }}"
        soft: "${{ steps.soft.error.status }}"
`)
	d.succeed("all", `{"n": 41, "list": [1, 2, 3]}`,
		`{"both":{"left":{"v":1},"right":{"v":2}},"each":[{"v":2},{"v":4},{"v":6}],"fn":42,"n":41,"soft":404,"sub":"A@B.C","way":"small"}`)
}

func TestARunWaitsForAnEvent(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.apply("approval", `
steps:
  - id: ok
    waitFor: {event: lead.approved, if: "${{ event.data.id == input.id }}", timeout: 1m}
  - {id: out, respond: {body: "${{ steps.ok.data.by }}"}}
`)
	id := d.trigger("approval", `{"id": 7}`)
	d.until(id, schema.RunWaiting)
	for _, other := range []int{6, 7} {
		if _, err := d.SendEvent(t.Context(), api.EventRequest{Name: "lead.approved", Data: json.RawMessage(fmt.Sprintf(`{"id": %d, "by": "ann"}`, other))}); err != nil {
			t.Fatal(err)
		}
	}
	if run := d.wait(id); string(run.Output) != `"ann"` {
		t.Errorf("run %s, output %s", run.Status, run.Output)
	}
}

// What started a run is not what it waits for, though it came in the same moment.
func TestARunWaitsForAnotherEventOfTheSameName(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.apply("again", `
triggers:
  - {id: ping, event: {name: ping}}
steps:
  - {id: next, waitFor: {event: ping, timeout: 1m}}
  - {id: out, respond: {body: ["${{ input.n }}", "${{ steps.next.data.n }}"]}}
`)
	send := func(n int) string {
		t.Helper()
		got, err := d.SendEvent(t.Context(), api.EventRequest{Name: "ping", Data: json.RawMessage(fmt.Sprintf(`{"n": %d}`, n))})
		if err != nil || len(got.Started) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		return got.Started[0]
	}
	for n := range 5 {
		id := send(2 * n)
		d.until(id, schema.RunWaiting)
		send(2*n + 1)
		if run := d.wait(id); string(run.Output) != fmt.Sprintf("[%d,%d]", 2*n, 2*n+1) {
			t.Fatalf("the run is %s with output %s", run.Status, run.Output)
		}
	}
}

// until waits until a run is in a state.
func (d *dev) until(id string, want schema.RunStatus) {
	d.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		run, err := d.Run(d.t.Context(), id, 0)
		if err != nil {
			d.t.Fatal(err)
		}
		if run.Status == want {
			return
		}
		if time.Now().After(deadline) || run.Status.Ended() {
			d.t.Fatalf("run %s is %s (%+v); want %s", id, run.Status, run.Error, want)
		}
		time.Sleep(5 * time.Millisecond) // a poll: the API has no signal for a state that is not the end
	}
}

func TestConcurrencyLimit(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.apply("one", `
concurrency: {limit: 1, key: "${{ input.account }}"}
steps:
  - {id: pause, delay: {for: 600ms}}
  - {id: out, respond: {body: ok}}
`)
	var ids []string
	for range 3 {
		ids = append(ids, d.trigger("one", `{"account": "a"}`))
	}
	other := d.wait(d.trigger("one", `{"account": "b"}`))
	var runs []*schema.Run
	for _, id := range ids {
		runs = append(runs, d.wait(id))
	}
	for i := 1; i < len(runs); i++ {
		if runs[i].StartedAt.Before(*runs[i-1].EndedAt) {
			t.Errorf("run %d started at %s, before run %d ended at %s", i, runs[i].StartedAt, i-1, runs[i-1].EndedAt)
		}
	}
	if other.EndedAt.After(*runs[2].EndedAt) {
		t.Error("a run of another key waited for this one's limit")
	}
}

func TestSkipAndRateLimitAndDebounce(t *testing.T) {
	d := startDev(t, t.TempDir())
	slow := "\nsteps:\n  - {id: pause, delay: {for: 10s}}\n"
	quick := "\nsteps:\n  - {id: out, respond: {body: \"${{ input }}\"}}\n"
	d.apply("skip", "concurrency: {limit: 1, onLimit: skip}"+slow)
	d.apply("oldest", "concurrency: {limit: 1, onLimit: cancelOldest}"+slow)
	d.apply("rate", "rateLimit: {limit: 2, per: 1m}"+quick)
	d.apply("quiet", "debounce: {period: 200ms}"+quick)
	d.apply("throttled", "throttle: {limit: 1, per: 300ms}"+quick)

	first := d.trigger("skip", `1`)
	d.refused("skip", schema.ProblemConflict)
	if _, err := d.Cancel(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	d.wait(first)
	if _, err := d.Cancel(t.Context(), d.trigger("skip", `2`)); err != nil {
		t.Fatal(err)
	}

	a := d.trigger("oldest", `1`)
	b := d.trigger("oldest", `2`)
	if run := d.wait(a); run.Status != schema.RunCanceled {
		t.Errorf("the oldest run %s; want canceled", run.Status)
	}
	d.until(b, schema.RunWaiting)
	if _, err := d.Cancel(t.Context(), b); err != nil {
		t.Fatal(err)
	}

	d.trigger("rate", `1`)
	d.trigger("rate", `2`)
	d.refused("rate", schema.ProblemRateLimited)

	early, late := d.trigger("quiet", `1`), d.trigger("quiet", `2`)
	if run := d.wait(late); run.Status != schema.RunSucceeded || string(run.Output) != "2" {
		t.Errorf("the last debounced run %s with %s", run.Status, run.Output)
	}
	if run := d.wait(early); run.Status != schema.RunCanceled {
		t.Errorf("the first debounced run %s; want canceled", run.Status)
	}

	x, y := d.wait(d.trigger("throttled", `1`)), d.wait(d.trigger("throttled", `2`))
	if gap := y.StartedAt.Sub(x.CreatedAt); gap < 290*time.Millisecond {
		t.Errorf("the second throttled run started %s after the first was accepted; want 300ms", gap)
	}
}

func (d *dev) refused(workflow string, want schema.ProblemType) {
	d.t.Helper()
	_, err := d.Trigger(d.t.Context(), workflow, api.TriggerRequest{Input: json.RawMessage(`0`)}, 0)
	var problem *schema.Problem
	if !errors.As(err, &problem) || problem.Type != want {
		d.t.Errorf("trigger %s: %v; want %s", workflow, err, want)
	}
}

func TestCancelEndsTheRequestUnderWay(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.apply("hang", "steps:\n  - {id: slow, request: {url: FAR/delay/10}}\n")
	id := d.trigger("hang", `null`)
	d.until(id, schema.RunRunning)
	began := time.Now()
	if _, err := d.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if run := d.wait(id); run.Status != schema.RunCanceled || time.Since(began) > 3*time.Second {
		t.Errorf("the run %s after %s; want canceled at once", run.Status, time.Since(began))
	}
}

func TestIdempotencyKeyGivesTheSameRun(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.apply("idem", "steps:\n  - {id: out, respond: {body: 1}}\n")
	var mu sync.Mutex
	ids := map[string]bool{}
	var wg sync.WaitGroup
	for range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			run, err := d.Trigger(t.Context(), "idem", api.TriggerRequest{IdempotencyKey: "k"}, 0)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			ids[run.ID] = true
			mu.Unlock()
		}()
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Errorf("%d runs for one idempotency key", len(ids))
	}
}

func TestReplayFromAStepKeepsWhatCameBefore(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.apply("twice", `
steps:
  - {id: id, request: {url: FAR/uuid}}
  - {id: out, respond: {body: "${{ steps.id.body.uuid }}"}}
`)
	first := d.wait(d.trigger("twice", `null`))
	again, err := d.Replay(t.Context(), first.ID, api.ReplayRequest{From: "out"})
	if err != nil {
		t.Fatal(err)
	}
	if run := d.wait(again.ID); string(run.Output) != string(first.Output) {
		t.Errorf("replayed from out: %s; want %s", run.Output, first.Output)
	}
	again, err = d.Replay(t.Context(), first.ID, api.ReplayRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if run := d.wait(again.ID); string(run.Output) == string(first.Output) {
		t.Error("a replay from the start did not make the request again")
	}
}

func TestARestartKeepsWhatWasAccepted(t *testing.T) {
	dir := t.TempDir()
	d := startDev(t, dir)
	d.apply("later", "steps:\n  - {id: pause, delay: {for: 700ms}}\n  - {id: out, respond: {body: done}}\n")
	id := d.trigger("later", `null`)
	d.until(id, schema.RunWaiting)
	d.stop()
	d = startDev(t, dir)
	if run := d.wait(id); run.Status != schema.RunSucceeded {
		t.Errorf("after a restart the run %s: %+v", run.Status, run.Error)
	}
}

// The key of dev outlives it, as long as it is there: a dashboard that is open
// goes on after a restart.
func TestDevKeepsItsKey(t *testing.T) {
	dir := t.TempDir()
	d := startDev(t, dir)
	first := d.Token
	d.stop()
	d = startDev(t, dir)
	if d.Token != first {
		t.Fatal("the second start has another key")
	}
	keys, err := d.Keys(t.Context(), "")
	if err != nil || len(keys.Items) != 1 {
		t.Fatalf("keys: %+v, %v", keys, err)
	}
	if _, err := d.CreateKey(t.Context(), api.CreateKeyRequest{Name: "another", Role: "owner"}); err != nil {
		t.Fatal(err) // the last owner's key can't be deleted
	}
	if err := d.DeleteKey(t.Context(), keys.Items[0].ID); err != nil {
		t.Fatal(err)
	}
	d.stop()
	d = startDev(t, dir)
	if _, err := d.Projects(t.Context()); err != nil || d.Token == first {
		t.Errorf("after its key was deleted, dev has %v, %v", d.Token == first, err)
	}
}
