package daemon_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"paragon/engine/daemon"
	"paragon/engine/payload"
	"paragon/engine/servicetest"
	"paragon/schema"
	"paragon/schema/api"
)

// large is a JSON text of n bytes.
func large(n int) string { return `"` + strings.Repeat("0123456789abcdef", n/16+1)[:n-2] + `"` }

// onEachStorage runs a test with SQLite and a directory, and with Postgres and
// S3.
func onEachStorage(t *testing.T, do func(t *testing.T, d *dev)) {
	t.Run("sqlite and a directory", func(t *testing.T) { do(t, startDev(t, t.TempDir())) })
	t.Run("postgres and s3", func(t *testing.T) {
		d, _ := startServed(t, io.Discard, nil, keptIn(t, servicetest.StartS3(t)))
		do(t, d)
	})
}

// keptIn gives a daemon a bucket of an S3 server.
func keptIn(t *testing.T, server *servicetest.S3) func(*daemon.Options) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	bucket, err := payload.OpenS3(payload.S3Options{
		Endpoint: server.Endpoint, Insecure: true, Region: "us-east-1", Bucket: server.Bucket,
		Credentials: credentials.NewStaticV4(server.AccessKey, server.SecretKey, ""), Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *daemon.Options) { o.Payloads = payload.New(bucket) }
}

const growing = `
steps:
  - {id: grow, timeout: 1m, function: {source: "return {text: input.text + 'x'}", memory: 256}}
  - {id: pause, delay: {for: 1s}}
  - {id: reply, respond: {body: {text: "${{ steps.grow.text }}", n: "${{ len(steps.grow.text) }}"}}}
`

// TestLargeValues takes 5 MB in and gives them back: through the API, the
// queue, a worker, the log, SQL, and a replay.
func TestLargeValues(t *testing.T) {
	t.Parallel()
	onEachStorage(t, func(t *testing.T, d *dev) {
		ctx := t.Context()
		d.apply("growing", growing)
		text := large(5 << 20)
		input := `{"text":` + text + `}`
		want := `{"n":` + itoa(len(text)-2+1) + `,"text":` + text[:len(text)-1] + `x"}`
		run := d.succeed("growing", input, want)
		if run.InputPayload == nil || run.InputPayload.Size != int64(len(input)) || run.InputPayload.Omitted || string(run.Input) != input {
			t.Errorf("the input came back as %d bytes, %+v; want the %d that were sent", len(run.Input), run.InputPayload, len(input))
		}
		if sum := sha256.Sum256(run.Output); run.OutputPayload == nil || run.OutputPayload.Digest != hex.EncodeToString(sum[:]) {
			t.Errorf("the output's digest is not that of the output: %+v", run.OutputPayload)
		}
		if value, err := d.Payload(ctx, run.ID, run.OutputPayload.Digest); err != nil || string(value) != want {
			t.Errorf("the output by its digest: %d bytes, %v", len(value), err)
		}
		var problem *schema.Problem
		if _, err := d.Payload(ctx, run.ID, strings.Repeat("0", 64)); !errors.As(err, &problem) || problem.Type != schema.ProblemNotFound {
			t.Errorf("an unknown digest: %v; want not found", err)
		}
		list, err := d.Runs(ctx, api.RunsQuery{})
		if err != nil || len(list.Items) != 1 {
			t.Fatalf("list: %+v, %v", list, err)
		}
		if r := list.Items[0]; r.Input != nil || r.Output != nil || r.InputPayload == nil || !r.InputPayload.Omitted || !r.OutputPayload.Omitted {
			t.Errorf("a list has the values, or does not tell of them: %+v, %+v", r.InputPayload, r.OutputPayload)
		}
		for from, n := range map[string]int{"": 0, "pause": 1} {
			again, err := d.Replay(ctx, run.ID, api.ReplayRequest{From: from})
			if err != nil {
				t.Fatalf("replay from %q: %v", from, err)
			}
			if again = d.wait(again.ID); again.Status != schema.RunSucceeded || string(again.Output) != want {
				t.Errorf("replayed from %q the run %s with %d bytes: %+v", from, again.Status, len(again.Output), again.Error)
			}
			if again.Attempts != 1-n {
				t.Errorf("replayed from %q the function was called %d times", from, again.Attempts)
			}
		}
		steps, err := d.Steps(ctx, run.ID)
		if err != nil || len(steps) != 3 {
			t.Fatalf("steps: %d, %v", len(steps), err)
		}
		if s := steps[0]; s.ResultPayload == nil || s.ResultPayload.Omitted || len(s.Result) != int(s.ResultPayload.Size) {
			t.Errorf("the first step's result has %d bytes, %+v", len(s.Result), s.ResultPayload)
		}
		if s := steps[2]; s.ResultPayload == nil || !s.ResultPayload.Omitted || s.Result != nil {
			t.Errorf("with 10 MB in one answer the last result is not left out: %d bytes, %+v", len(s.Result), s.ResultPayload)
		}
		// Nothing large is anywhere but in object storage.
		soon(t, "the run is history", func() bool {
			stored, err := d.Store().Run(ctx, "default", run.ID)
			if err != nil {
				return false
			}
			_, in := payload.AsRef(stored.Input)
			_, out := payload.AsRef(stored.Output)
			if !in || !out {
				t.Errorf("SQL has an input of %d and an output of %d bytes", len(stored.Input), len(stored.Output))
			}
			return true
		})
		recs, err := d.Store().Steps(ctx, "default", run.ID)
		for _, rec := range recs {
			if err != nil || len(rec.Result) > payload.Above {
				t.Errorf("SQL has a result of %d bytes (%v)", len(rec.Result), err)
			}
		}
	})
}

func itoa(n int) string { raw, _ := json.Marshal(n); return string(raw) }

// TestRedisHoldsNoLargeValue looks at what Redis has of a run that waits.
func TestRedisHoldsNoLargeValue(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.apply("waiting", `
steps:
  - {id: grow, set: {text: "${{ input.text + 'x' }}"}}
  - {id: pause, waitFor: {event: go, timeout: 1h}}
  - {id: reply, respond: {body: {n: "${{ len(steps.grow.text) }}"}}}
`)
	id := d.trigger("waiting", `{"text":`+large(1<<20)+`}`)
	d.until(id, schema.RunWaiting)
	if text := d.redisText(); len(text) > 100<<10 {
		t.Errorf("Redis holds %d bytes for a run whose values are in object storage", len(text))
	}
	if _, err := d.SendEvent(t.Context(), api.EventRequest{Name: "go", Data: json.RawMessage("{}")}); err != nil {
		t.Fatal(err)
	}
	if run := d.wait(id); string(run.Output) != `{"n":1048575}` {
		t.Errorf("the run %s: %s %+v", run.Status, run.Output, run.Error)
	}
}

// TestLargeValuesOfCalls passes a large value to a called run, and its output
// back.
func TestLargeValuesOfCalls(t *testing.T) {
	onEachStorage(t, func(t *testing.T, d *dev) {
		d.apply("called", `
steps:
  - {id: reply, respond: {body: "${{ input.text + 'y' }}"}}
`)
		d.apply("caller", `
steps:
  - {id: sub, call: {workflow: called, input: {text: "${{ input.text }}"}}}
  - {id: reply, respond: {body: {n: "${{ len(steps.sub) }}", end: "${{ hasSuffix(steps.sub, 'dy') }}"}}}
`)
		d.succeed("caller", `{"text":`+large(1<<20)+`}`, `{"end":true,"n":1048575}`)
	})
}

// TestSecretsInLargeValues lets a large result hold a secret: steps go on with
// it, and object storage never has it as it is.
func TestSecretsInLargeValues(t *testing.T) {
	dir := t.TempDir()
	d := startDev(t, dir)
	const secret = "correct-horse-battery-staple"
	d.secret("TOKEN", secret)
	d.apply("holding", `
steps:
  - {id: grow, set: {text: "${{ input.text + secrets.TOKEN }}"}}
  - {id: pause, delay: {for: 1s}}
  - {id: look, set: {n: "${{ len(steps.grow.text) }}", there: "${{ steps.grow.text contains secrets.TOKEN ? 'yes' : 'no' }}"}}
  - {id: reply, respond: {body: {look: "${{ steps.look }}", text: "${{ steps.grow.text }}"}}}
`)
	run := d.wait(d.trigger("holding", `{"text":`+large(1<<20)+`}`))
	if run.Status != schema.RunSucceeded || !bytes.Contains(run.Output, []byte(`"there":"yes"`)) || !bytes.Contains(run.Output, []byte(`***"`)) {
		t.Fatalf("the run %s: %.200s %+v", run.Status, run.Output, run.Error)
	}
	files := 0
	err := filepath.WalkDir(filepath.Join(dir, "payloads"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("%s has the secret", path)
		}
		return err
	})
	if err != nil || files < 4 { // input, sealed and shown result, output
		t.Errorf("%d values in object storage (%v); want 4 and more", files, err)
	}
}

// TestStorageAway cuts object storage off: what is small goes on, what is large
// is refused or waits, and no attempt is charged.
func TestStorageAway(t *testing.T) {
	server := servicetest.StartS3(t)
	entered, open := make(chan struct{}, 10), make(chan struct{})
	far := serve(t, map[string]http.HandlerFunc{"/large": func(w http.ResponseWriter, _ *http.Request) {
		entered <- struct{}{}
		<-open
		_, _ = io.WriteString(w, strings.Repeat("z", 1<<20))
	}})
	d, _ := startServed(t, io.Discard, nil, keptIn(t, server))
	d.apply("fetch", `
steps:
  - {id: get, request: {method: GET, url: "`+far+`/large"}}
  - {id: reply, respond: {body: {n: "${{ len(steps.get.body) }}"}}}
`)
	d.apply("small", `
steps:
  - {id: reply, respond: {body: "${{ len(input.text) }}"}}
`)
	before := d.wait(d.trigger("small", `{"text":`+large(1<<20)+`}`))
	id := d.trigger("fetch", "{}")
	<-entered
	server.Cut(true)
	close(open)
	d.succeed("small", `{"text":"abc"}`, "3")
	ask := func(method, path, body string) { // the client would ask again
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+d.Addr().String()+"/v1/projects/default/"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+d.Token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !bytes.Contains(said, []byte("object storage")) {
			t.Errorf("%s %s: %d, Retry-After %q, %.300s (%v); want 503 that says why", method, path, resp.StatusCode, resp.Header.Get("Retry-After"), said, err)
		}
	}
	ask("POST", "workflows/small/runs", `{"input":{"text":`+large(1<<20-99)+`}}`)
	ask("GET", "runs/"+before.ID, "")
	if run, err := d.Run(t.Context(), id, 0); err != nil || run.Status != schema.RunRunning {
		t.Errorf("the run that holds a large result: %+v, %v", run, err)
	}
	server.Cut(false)
	if run := d.wait(id); run.Status != schema.RunSucceeded || string(run.Output) != `{"n":1048576}` || run.Attempts != 1 {
		t.Errorf("the run %s after %d attempts: %s %+v", run.Status, run.Attempts, run.Output, run.Error)
	}
	if len(entered) != 0 {
		t.Error("the request was sent again though the worker had its answer")
	}
}

// TestALostValueIsSaid removes and spoils values behind Paragon's back.
func TestALostValueIsSaid(t *testing.T) {
	dir := t.TempDir()
	d := startDev(t, dir)
	d.apply("waiting", `
steps:
  - {id: pause, waitFor: {event: go, timeout: 1h}}
  - {id: reply, respond: {body: {n: "${{ len(input.text) }}"}}}
`)
	id := d.trigger("waiting", `{"text":`+large(1<<20)+`}`)
	d.until(id, schema.RunWaiting)
	paths, err := filepath.Glob(filepath.Join(dir, "payloads", "default", "*", "*"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("values: %v, %v", paths, err)
	}
	content, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	content[1000] ^= 1
	if err := os.WriteFile(paths[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SendEvent(t.Context(), api.EventRequest{Name: "go", Data: json.RawMessage("{}")}); err != nil {
		t.Fatal(err)
	}
	run := d.wait(id)
	if run.Status != schema.RunFailed || run.Error == nil || !strings.Contains(run.Error.Message, "damaged") {
		t.Errorf("with an input that is damaged the run %s: %+v", run.Status, run.Error)
	}
	if run.Input != nil || run.InputPayload == nil || !strings.Contains(run.InputPayload.Error, "damaged") {
		t.Errorf("the run's input: %d bytes, %+v", len(run.Input), run.InputPayload)
	}
	var problem *schema.Problem
	if _, err := d.Replay(t.Context(), id, api.ReplayRequest{}); !errors.As(err, &problem) || problem.Status != 409 {
		t.Errorf("its replay: %v; want 409", err)
	}
}

// TestARestartKeepsLargeValues stops a process while a run waits, and starts
// another. What a kill leaves is engine/chaos's to find out.
func TestARestartKeepsLargeValues(t *testing.T) {
	dir := t.TempDir()
	d := startDev(t, dir)
	d.apply("waiting", `
steps:
  - {id: grow, set: {text: "${{ input.text + 'x' }}"}}
  - {id: pause, delay: {for: 3s}}
  - {id: reply, respond: {body: {n: "${{ len(steps.grow.text) }}"}}}
`)
	id := d.trigger("waiting", `{"text":`+large(1<<20)+`}`)
	d.until(id, schema.RunWaiting)
	d.stop()
	d = startDev(t, dir) // with an empty Redis: all that it knows is what SQL has
	if run := d.wait(id); string(run.Output) != `{"n":1048575}` || run.EndedAt.Sub(run.CreatedAt) < 3*time.Second {
		t.Errorf("the run %s: %s %+v", run.Status, run.Output, run.Error)
	}
}
