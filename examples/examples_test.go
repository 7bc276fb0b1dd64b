// Package examples_test applies every example as it lies here to a `paragond
// dev` in this process, runs it, and checks how it ends. Only the address of
// the API that the examples call is another, and how often it fails.
package examples_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paragon/engine/daemon"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a `paragond dev` with all examples.
type world struct {
	*api.Client
	t   *testing.T
	far string
}

// farSide is the address that the examples call.
const farSide = "http://127.0.0.1:7421"

func newWorld(t *testing.T) *world {
	t.Helper()
	d, err := daemon.StartDev(t.Context(), daemon.DevOptions{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", FarSide: "127.0.0.1:0",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Client: api.New("http://"+d.Addr().String(), d.Token), t: t, far: d.FarSide}
	t.Cleanup(func() {
		w.Close()
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	w.applyAll()
	return w
}

// applyAll applies each example as one set.
func (w *world) applyAll() {
	w.t.Helper()
	// With the quickstart's own rate one test of a thousand would fail.
	replaced := strings.NewReplacer(farSide, w.far, "failure_rate: 0.5", "failure_rate: 0.2", "wait: 5s", "wait: 1s")
	dirs, err := filepath.Glob("*/README.md")
	if err != nil || len(dirs) == 0 {
		w.t.Fatalf("no examples: %v", err)
	}
	for _, readme := range dirs {
		dir := filepath.Dir(readme)
		if dir == "ci" || dir == "tests" || dir == "integrations" {
			continue // a repository with its pipelines, what is for paragonctl alone, and a catalogue: tests of their own
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil || len(files) == 0 {
			w.t.Fatalf("example %s has no documents: %v", dir, err)
		}
		req := api.ApplyRequest{Set: dir, Values: map[string]string{}}
		for _, f := range files {
			text := w.read(f)
			req.Files = append(req.Files, api.File{Name: f, Content: replaced.Replace(text)})
			docs, diags := workflows.Parse(workflows.Source{File: f, Data: []byte(text)})
			if len(diags) > 0 {
				w.t.Fatal(diags)
			}
			for _, d := range docs {
				if d.Secret != nil && d.Secret.ValueFrom != nil {
					req.Values[d.Resource.Metadata.Name] = replaced.Replace(w.secret(filepath.Join(dir, d.Secret.ValueFrom.File)))
				}
			}
		}
		out, err := w.Apply(w.t.Context(), req, api.ApplyOptions{})
		if err != nil {
			w.t.Fatalf("apply %s: %v", dir, err)
		}
		for _, warning := range out.Warnings {
			w.t.Errorf("%s: %s", dir, warning.Message)
		}
	}
}

func (w *world) read(file string) string {
	w.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// secret is the value in a file, as paragonctl reads it.
func (w *world) secret(file string) string { return strings.TrimSuffix(w.read(file), "\n") }

func (w *world) trigger(workflow, input string) string {
	w.t.Helper()
	run, err := w.Trigger(w.t.Context(), workflow, api.TriggerRequest{Input: json.RawMessage(input)}, 0)
	if err != nil {
		w.t.Fatalf("trigger %s: %v", workflow, err)
	}
	return run.ID
}

func (w *world) wait(id string) *schema.Run {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	run, err := w.WaitRun(ctx, id)
	if err != nil {
		w.t.Fatalf("wait for run %s: %v", id, err)
	}
	return run
}

// gives runs a workflow and checks its output.
func (w *world) gives(workflow, input, want string) *schema.Run {
	w.t.Helper()
	return w.gave(w.trigger(workflow, input), want)
}

func (w *world) gave(id, want string) *schema.Run {
	w.t.Helper()
	run := w.wait(id)
	if run.Status != schema.RunSucceeded {
		w.t.Fatalf("run of %s %s: %+v", run.Workflow, run.Status, run.Error)
	}
	if got := string(run.Output); want != "" && got != want {
		w.t.Errorf("output of %s = %s; want %s", run.Workflow, got, want)
	}
	return run
}

// fails runs a workflow that ends in an error of a type.
func (w *world) fails(workflow, input, kind string) *schema.Run {
	w.t.Helper()
	return w.failed(w.trigger(workflow, input), kind)
}

func (w *world) failed(id, kind string) *schema.Run {
	w.t.Helper()
	run := w.wait(id)
	if run.Status != schema.RunFailed || run.Error.Type != kind {
		w.t.Errorf("run of %s %s: %+v; want it to fail with %s", run.Workflow, run.Status, run.Error, kind)
	}
	return run
}

// step is what is known of a run's step.
func (w *world) step(run, path string) *schema.StepRecord {
	w.t.Helper()
	steps, err := w.Steps(w.t.Context(), run)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range steps {
		if steps[i].Path == path {
			return &steps[i]
		}
	}
	return nil
}

// post sends a webhook.
func (w *world) post(path, body string, header map[string]string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.Server()+"/hooks/default/"+path, bytes.NewBufferString(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

// until waits until something is so.
func (w *world) until(what string, so func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !so(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("in 15 seconds it was not so that %s", what)
		}
		time.Sleep(5 * time.Millisecond) // a poll: the API has no signal for it
	}
}

func isProblem(err error, want schema.ProblemType) bool {
	var p *schema.Problem
	return errors.As(err, &p) && p.Type == want
}
