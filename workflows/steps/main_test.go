package steps

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paragon/engine/outbound"
	"paragon/workflows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// step compiles a workflow of one step.
func step(t testing.TB, spec map[string]any) *workflows.Step {
	t.Helper()
	spec["id"] = "it"
	raw, err := json.Marshal(map[string]any{"steps": []any{spec}})
	if err != nil {
		t.Fatal(err)
	}
	w, err := workflows.CompileSpec("test", raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return w.Steps[0]
}

// requests is the performer that may reach the servers of the tests.
func requests(t testing.TB) *Requests {
	t.Helper()
	c := outbound.New(outbound.Settings{AllowLoopback: true})
	t.Cleanup(c.Close)
	return NewRequests(c, nil)
}

const password = "pass word/+é"

func scope(input any) *workflows.Scope {
	return &workflows.Scope{Input: input, Secrets: map[string]any{"PASSWORD": password, "TOKEN": "tok-secret-123"},
		Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Seed: "seed"}
}

func redactSecrets(s string) string {
	return strings.NewReplacer(password, "***", "tok-secret-123", "***").Replace(s)
}

// perform makes one attempt at a request step.
func perform(t testing.TB, r *Requests, request map[string]any, input any, more ...func(*Call)) Outcome {
	t.Helper()
	call := Call{Step: step(t, map[string]any{"request": request}), Scope: scope(input), Project: "default", Run: "r1", Path: "it",
		Attempt: 1, IdempotencyKey: "key-1", Redact: redactSecrets}
	for _, f := range more {
		f(&call)
	}
	return r.Perform(context.Background(), call)
}

// seen is a request as a server saw it.
type seen struct {
	method, uri, body, host string
	header                  http.Header
}

// recorder is a server that keeps what it got and answers with answer.
func recorder(t testing.TB, answer http.HandlerFunc) (*httptest.Server, *[]seen) {
	t.Helper()
	var got []seen
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, seen{r.Method, r.RequestURI, string(body), r.Host, r.Header.Clone()})
		r.Body = io.NopCloser(bytes.NewReader(body))
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s, &got
}

// resultOf decodes a result.
func resultOf(t testing.TB, out Outcome) map[string]any {
	t.Helper()
	if out.Err != nil {
		t.Fatalf("failed: %v", out.Err)
	}
	var m map[string]any
	if err := json.Unmarshal(out.Result, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func wantError(t testing.TB, out Outcome, kind string, fatal bool) {
	t.Helper()
	if out.Err == nil || out.Err.Type != kind || out.Fatal != fatal || out.Interrupted || out.Result != nil {
		t.Fatalf("want %s (fatal %v), got %+v %s", kind, fatal, out.Err, out.Result)
	}
}
