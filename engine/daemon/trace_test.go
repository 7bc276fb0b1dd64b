package daemon_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-oauth2/oauth2/v4/server"

	"paragon/engine/daemon"
	"paragon/engine/tracing"
	"paragon/engine/tracing/tracingtest"
	"paragon/schema"
	"paragon/schema/api"
)

// startTracer is a tracer whose spans have all been sent when the test has
// ended.
func startTracer(t *testing.T, c *tracingtest.Collector) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.New(t.Context(), tracing.Settings{Endpoint: c.URL, Share: 1, Version: "v1.2.3", Instance: "one"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := tracer.Stop(ctx); err != nil {
			t.Errorf("stop the tracer: %v", err)
		}
	})
	return tracer
}

// TestOneTrace follows a run that waits, fails an attempt, and calls another
// one: all that happens is in the trace of whoever triggered it.
func TestOneTrace(t *testing.T) {
	collector := tracingtest.Start(t)
	var log lockedBuffer
	started, err := daemon.StartDev(t.Context(), daemon.DevOptions{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Tracer: startTracer(t, collector),
		Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	d := &dev{Dev: started, Client: api.New("http://"+started.Addr().String(), started.Token), t: t}
	t.Cleanup(d.stop)
	parents := make(chan string, 4)
	asked := 0
	d.FarSide = serve(t, map[string]http.HandlerFunc{"/busy": func(w http.ResponseWriter, r *http.Request) {
		parents <- r.Header.Get("Traceparent")
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}})
	d.apply("inner", "steps: [{id: only, set: {done: true}}]")
	d.apply("outer", `
steps:
  - {id: asks, request: {url: "FAR/busy", response: none}, retry: {maxAttempts: 3, initialInterval: 10ms}}
  - {id: parked, waitFor: {event: go.on, timeout: 5m}}
  - {id: calls, call: {workflow: inner, wait: true}}
`)
	const caller = "4bf92f3577b34da6a3ce929d0e0e4736"
	id := d.triggerWithin("outer", "00-"+caller+"-00f067aa0ba902b7-01")
	d.until(id, schema.RunWaiting)
	if _, err := d.SendEvent(t.Context(), api.EventRequest{Name: "go.on"}); err != nil {
		t.Fatal(err)
	}
	if run := d.wait(id); run.Status != schema.RunSucceeded || run.TraceID != caller {
		t.Fatalf("the run %s, its trace is %q: %+v", run.Status, run.TraceID, run.Error)
	}

	var tree *spanTree
	soon(t, "the whole trace has come", func() bool {
		tree = treeOf(collector.Spans(), caller)
		return len(tree.named("run outer")) == 1 && len(tree.named("run inner")) == 1 && len(tree.named("accept outer")) == 1 &&
			len(tree.named("POST /v1/projects/{project}/workflows/{name}/runs")) == 1
	})
	for name, parents := range map[string]string{
		"accept outer": "POST /v1/projects/{project}/workflows/{name}/runs",
		"run outer":    "accept outer",
		"queue":        "run outer, run inner",
		"segment":      "run outer, run inner",
		"step asks":    "segment",
		"step calls":   "segment",
		"accept inner": "step calls",
		"run inner":    "accept inner",
		"GET " + strings.TrimPrefix(d.FarSide, "http://"): "step asks",
	} {
		spans := tree.named(name)
		if len(spans) == 0 {
			t.Errorf("no span %q", name)
		}
		for _, s := range spans {
			if parent := tree.byID[s.Parent]; parent.Name == "" || !strings.Contains(parents, parent.Name) {
				t.Errorf("%q is under %q; want %s", name, parent.Name, parents)
			}
		}
	}
	attempts := tree.named("step asks")
	if len(attempts) != 2 || !attempts[0].Failed || attempts[1].Failed || attempts[0].Attributes["error.type"] != "http" ||
		attempts[0].Attributes["paragon.run"] != id || attempts[0].Resource["service.version"] != "v1.2.3" {
		t.Errorf("two attempts, the first failed: %+v", attempts)
	}
	requests := tree.named("GET " + strings.TrimPrefix(d.FarSide, "http://"))
	for i := range requests {
		if got, want := <-parents, "00-"+caller+"-"+requests[i].ID+"-01"; got != want {
			t.Errorf("request %d brought traceparent %s; want %s", i+1, got, want)
		}
	}
	if segments := len(tree.named("segment")); segments < 3 {
		t.Errorf("%d segments: a run that waits and is told has two, the called one has one", segments)
	}
	d.logged(log.String(), map[string]string{"msg": "attempt failed", "run": id, "step": "asks", "trace": caller, "failure": "http"})
	d.logged(log.String(), map[string]string{"msg": "run ended", "run": id, "status": "succeeded", "trace": caller})
}

// TestTraceOfTheAPIAlone asks for a token in a process that runs nothing: the
// request is in the trace of the call through the proxy that needs it.
func TestTraceOfTheAPIAlone(t *testing.T) {
	collector := tracingtest.Start(t)
	d, _ := startServed(t, io.Discard, startTracer(t, collector), func(o *daemon.Options) { o.Roles = []daemon.Role{daemon.RoleAPI} })
	issuer, _ := oauth(t, "the-client", "a-client-secret", server.ClientFormHandler)
	d.secret("CLIENT_SECRET", "a-client-secret")
	d.integration("crm", strings.ReplaceAll(`{baseUrl: FAR/anything, auth: {oauth2: {grant: clientCredentials, tokenUrl: OAUTH/token,
  clientId: the-client, clientSecret: {secret: CLIENT_SECRET}, clientAuth: post}}}`, "OAUTH", issuer))
	const caller = "4bf92f3577b34da6a3ce929d0e0e4736"
	header := http.Header{"Traceparent": {"00-" + caller + "-00f067aa0ba902b7-01"}}
	if resp, body := d.callThrough("crm", "GET", "/contacts", "", header); resp.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	soon(t, "the request for a token is in the trace", func() bool {
		return len(treeOf(collector.Spans(), caller).named("POST "+strings.TrimPrefix(issuer, "http://"))) == 1
	})
}

// triggerWithin triggers a run as a part of somebody's trace.
func (d *dev) triggerWithin(workflow, parent string) string {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost,
		"http://"+d.Addr().String()+"/v1/projects/default/workflows/"+workflow+"/runs", strings.NewReader("{}"))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+d.Token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", parent)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	var run schema.Run
	if err := json.NewDecoder(resp.Body).Decode(&run); err != nil || run.ID == "" {
		d.t.Fatalf("trigger %s: %s, %v", workflow, resp.Status, err)
	}
	return run.ID
}

// logged finds a line with these fields in a JSON log.
func (d *dev) logged(log string, want map[string]string) {
	d.t.Helper()
	for line := range strings.Lines(log) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			d.t.Errorf("a line of the log is not JSON: %s", line)
		}
		matches := true
		for name, value := range want {
			matches = matches && fields[name] == value
		}
		if matches {
			return
		}
	}
	d.t.Errorf("the log has no line with %v", want)
}

// spanTree is one trace.
type spanTree struct {
	spans []tracingtest.Span
	byID  map[string]tracingtest.Span
}

func treeOf(spans []tracingtest.Span, trace string) *spanTree {
	tree := &spanTree{byID: map[string]tracingtest.Span{}}
	for _, s := range spans {
		if s.Trace == trace {
			tree.spans = append(tree.spans, s)
			tree.byID[s.ID] = s
		}
	}
	return tree
}

func (tree *spanTree) named(name string) (spans []tracingtest.Span) {
	for _, s := range tree.spans {
		if s.Name == name {
			spans = append(spans, s)
		}
	}
	return spans
}
