package tests_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paragon/cmd/paragonctl/cli"
	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/engine/daemon"
	"paragon/schema"
	"paragon/schema/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// flow meets all that a record can hold: an attempt that fails, a secret in a
// request, an event, a call, a function, items, and an end of its own choice.
const flow = `apiVersion: paragon/v1
kind: Secret
metadata: {name: TOKEN}
spec: {value: hunter2-hunter2}
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: flow}
spec:
  input: {type: object, required: [end]}
  steps:
    - id: shaky
      request: {url: "FAR/shaky", query: {key: "${{ secrets.TOKEN }}", q: 1}, auth: {bearer: {token: "${{ secrets.TOKEN }}"}}}
      retry: {maxAttempts: 3, initialInterval: 10ms}
    - id: length
      function: {source: "return steps.shaky.body.text.length"}
    - id: sent
      emit: {event: flow.began, data: {n: "${{ steps.length }}"}}
    - id: heard
      waitFor: {event: flow.began, timeout: 1m}
    - id: other
      call: {workflow: other, input: {n: "${{ steps.heard.data.n }}"}}
    - id: each
      forEach: {items: [1, 2], as: n}
      steps:
        - id: post
          request: {method: POST, url: "FAR/post", body: {n: "${{ n }}"}, accept: [404]}
    - id: never
      if: "${{ input.end == 'never' }}"
      delay: {for: 1h}
    - id: stop
      if: "${{ input.end == 'fail' }}"
      fail: {type: chosen, message: "as $${{ asked }}"}
  output: {other: "${{ steps.other }}", posted: "${{ map(steps.each, .status) }}"}
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: other}
spec:
  steps: [{id: x, set: {n: "${{ input.n }}"}}]
  output: {got: "${{ steps.x.n }}"}
`

// A run of a real server, recorded, is a test that passes, and shows no secret.
func TestARecordPasses(t *testing.T) {
	var shaky atomic.Int64
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/post":
			w.WriteHeader(http.StatusNotFound)
		case shaky.Add(1)%2 == 1:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"text": "no ${{ expression }}", "echo": r.URL.Query().Get("key")})
		}
	}))
	defer far.Close()
	d, err := daemon.StartDev(t.Context(), daemon.DevOptions{
		Dir: t.TempDir(), Listen: "127.0.0.1:0",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := api.New("http://"+d.Addr().String(), d.Token)
	defer func() {
		c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	}()
	dir := t.TempDir()
	source := filepath.Join(dir, "flow.yaml")
	if err := os.WriteFile(source, []byte(strings.ReplaceAll(flow, "FAR", far.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	paragonctl := func(args ...string) (string, int) {
		var out bytes.Buffer
		env := &command.Env{
			Streams: &terminal.Streams{In: strings.NewReader(""), Out: &out, Err: &out}, Now: time.Now, Version: "test",
			Getenv: func(name string) string {
				return map[string]string{"PARAGON_SERVER": "http://" + d.Addr().String(), "PARAGON_TOKEN": d.Token, "HOME": dir}[name]
			},
		}
		code := cli.Run(t.Context(), env, args)
		return out.String(), code
	}
	if out, code := paragonctl("apply", "-f", source); code != 0 {
		t.Fatal(out)
	}
	for _, end := range []string{"well", "fail"} {
		run, err := c.Trigger(t.Context(), "flow", api.TriggerRequest{Input: json.RawMessage(`{"end":"` + end + `"}`)}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if run, err = c.WaitRun(t.Context(), run.ID); err != nil || (end == "fail") != (run.Status == schema.RunFailed) {
			t.Fatal(run, err)
		}
		file := filepath.Join(dir, end+".yaml")
		out, code := paragonctl("test", "--record", run.ID, "-o", file)
		if code != 0 || strings.Contains(out, "note:") {
			t.Errorf("recording ends with %d and says\n%s", code, out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "hunter2") {
			t.Errorf("a secret is in the record:\n%s", text)
		}
		for _, want := range []string{"step: shaky", "status: 503", "event: flow.began", "workflow: other", "each[1]/post"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("the record lacks %q:\n%s", want, text)
			}
		}
		if out, code := paragonctl("test", source, file); code != 0 {
			t.Errorf("the test fails\n%s\n%s", out, text)
		}
	}
}
