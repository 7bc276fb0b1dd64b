package daemon_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// A webhook that asks for the result is answered by the respond step, whatever
// the run does after it: a call that is under way, or a wait.
func TestRespondAnswersWhileTheRunGoesOn(t *testing.T) {
	d := startDev(t, t.TempDir())
	release := make(chan struct{})
	called := make(chan struct{}, 1)
	far := serve(t, map[string]http.HandlerFunc{"/slow": func(w http.ResponseWriter, r *http.Request) {
		called <- struct{}{}
		select {
		case <-release:
			answer(w, "at last")
		case <-r.Context().Done():
		}
	}})
	for _, test := range []struct {
		name, rest string
		after      schema.RunStatus
		goOn       func(t *testing.T)
	}{
		{"a call", "{id: rest, timeout: 1m, request: {url: " + far + "/slow}}", schema.RunRunning, func(*testing.T) {
			<-called
			close(release)
		}},
		{"a wait", "{id: rest, waitFor: {event: go.on, timeout: 1m}}", schema.RunWaiting, func(t *testing.T) {
			if _, err := d.SendEvent(t.Context(), api.EventRequest{Name: "go.on"}); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.t = t
			name := strings.ReplaceAll(test.name, " ", "-")
			d.apply(name, `
triggers: [{id: hook, webhook: {respond: result}, input: {n: "${{ trigger.body.n }}"}}]
steps:
  - {id: out, respond: {status: 201, headers: {X-Kind: early}, body: {n: "${{ input.n }}"}}}
  - `+test.rest+`
`)
			res, err := http.Post("http://"+d.Addr().String()+"/hooks/default/"+name+"/hook", "application/json", strings.NewReader(`{"n": 7}`))
			if err != nil {
				t.Fatal(err)
			}
			said, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || res.StatusCode != http.StatusCreated || res.Header.Get("X-Kind") != "early" || string(said) != `{"n":7}` {
				t.Fatalf("answered with %d %s %v (%v)", res.StatusCode, said, res.Header, err)
			}
			// What keeps the run is held by the test, so it can't have ended.
			run := d.runsOf(name, 1)[0]
			d.until(run.ID, test.after)
			test.goOn(t)
			if ended := d.wait(run.ID); ended.Status != schema.RunSucceeded || string(ended.Output) != `{"n":7}` {
				t.Errorf("the run %s with %s (%+v)", ended.Status, ended.Output, ended.Error)
			}
		})
	}
}

// The timeout of a run ends it while it waits, and while it calls.
func TestTheTimeoutOfARun(t *testing.T) {
	d := startDev(t, t.TempDir())
	const limit = time.Second
	for name, rest := range map[string]string{
		"waits": "{id: rest, delay: {for: 10m}}",
		"calls": "{id: rest, timeout: 9m, request: {url: " + serve(t, map[string]http.HandlerFunc{"/": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}) + "}}",
	} {
		d.apply(name, "timeout: "+limit.String()+"\nsteps:\n  - "+rest+"\nonFailure:\n  - {id: sorry, request: {url: FAR/uuid}}\n")
		run := d.wait(d.trigger(name, `null`))
		if run.Status != schema.RunFailed || run.Error == nil || run.Error.Type != "timeout" || !strings.Contains(run.Error.Message, "timeout of 1s") {
			t.Errorf("a run that %s %s with %+v", name, run.Status, run.Error)
			continue
		}
		if took := run.EndedAt.Sub(run.CreatedAt); took < limit || took > 30*time.Second {
			t.Errorf("a run that %s ended after %v; its limit is %v", name, took, limit)
		}
		if sorry := d.recordOf(run.ID, "sorry"); sorry.Status != schema.StepSucceeded {
			t.Errorf("the onFailure step of a run that %s is %q", name, sorry.Status)
		}
	}
}

// recordOf is the record that the log of a run has of a step; without a status
// when it has none.
func (d *dev) recordOf(id, path string) schema.StepRecord {
	d.t.Helper()
	records, err := d.Steps(d.t.Context(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, rec := range records {
		if rec.Path == path {
			return rec
		}
	}
	return schema.StepRecord{}
}

// Many runs are replayed from a step: each goes on from what its own made of the
// steps before, of which none is executed again.
func TestReplayOfManyFromAStep(t *testing.T) {
	d := startDev(t, t.TempDir())
	var calls atomic.Int64
	far := serve(t, map[string]http.HandlerFunc{"/number": func(w http.ResponseWriter, _ *http.Request) { answer(w, calls.Add(1)) }})
	d.apply("unlucky", `
steps:
  - {id: number, request: {url: `+far+`/number}}
  - {id: stop, if: "${{ trigger.kind != 'replay' }}", fail: {message: "not yet"}}
  - {id: out, respond: {body: "${{ [input, steps.number.body] }}"}}
`)
	const runs = 20
	made := map[string]bool{} // what a replay's output must be
	for i := range runs {
		run := d.wait(d.trigger("unlucky", fmt.Sprint(i)))
		if run.Status != schema.RunFailed {
			t.Fatalf("run %d %s", i, run.Status)
		}
		made[fmt.Sprintf("[%d,%d]", i, i+1)] = true
	}
	op, err := d.ReplayMany(t.Context(), api.RunsFilter{Workflow: "unlucky", Status: []schema.RunStatus{schema.RunFailed}}, "stop")
	if err != nil {
		t.Fatal(err)
	}
	soon(t, "the operation ends", func() bool {
		op, err = d.Operation(t.Context(), op.ID)
		return err == nil && op.Ended()
	})
	if op.State != api.OperationDone || op.Total != runs || op.Done != runs || op.Failed != 0 || op.From != "stop" {
		t.Errorf("it ended as %+v", op)
	}
	for _, run := range d.runsOf("unlucky", 2*runs) {
		if run.Trigger.Kind != "replay" {
			continue
		}
		ended := d.wait(run.ID)
		if ended.Status != schema.RunSucceeded || !made[string(ended.Output)] {
			t.Errorf("a replay %s with %s (%+v)", ended.Status, ended.Output, ended.Error)
		}
		delete(made, string(ended.Output))
	}
	if len(made) != 0 || calls.Load() != runs {
		t.Errorf("not replayed: %v; the step before was executed %d times by %d runs", made, calls.Load(), runs)
	}
}

// A run whose state alone kills who reads it, so that not even its steps can be
// canceled, is stopped without a look at what it did.
func TestARunThatKillsWhoWouldStopIt(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.apply("deadly", `
steps:
  - {id: first, request: {url: FAR/uuid}}
  - {id: rest, waitFor: {event: go.on}}
`)
	for deaths, want := range map[int]schema.StepStatus{3: schema.StepCanceled, 4: schema.StepWaiting} {
		id := d.trigger("deadly", `{"n": 1}`)
		d.until(id, schema.RunWaiting)
		keys, err := d.Redis().Keys(t.Context(), "*:run:"+id).Result()
		if err != nil || len(keys) != 1 {
			t.Fatalf("the run is in %v (%v)", keys, err)
		}
		if err := d.Redis().HSet(t.Context(), keys[0], "rc", deaths).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := d.SendEvent(t.Context(), api.EventRequest{Name: "go.on"}); err != nil {
			t.Fatal(err)
		}
		run := d.wait(id)
		if run.Status != schema.RunFailed || run.Error == nil || run.Error.Type != "poison" || string(run.Input) != `{"n":1}` && string(run.Input) != `{"n": 1}` {
			t.Errorf("after %d deaths the run %s with %+v; its input is %s", deaths, run.Status, run.Error, run.Input)
		}
		if got := d.recordOf(id, "rest").Status; got != want {
			t.Errorf("after %d deaths the step that waited is %q; want %s", deaths, got, want)
		}
	}
}
