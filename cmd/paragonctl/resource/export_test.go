package resource_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paragon/cmd/paragonctl/cli"
	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/engine/daemon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// odd has what is easily lost on the way: labels, texts of several lines and with
// signs of YAML's own, numbers as texts, durations, null and empty values.
const odd = `apiVersion: paragon/v1
kind: Workflow
metadata:
  name: odd
  labels: {team: growth, "on": "yes", number: "1"}
  annotations: {note: "two\nlines: # no comment"}
spec:
  description: "  - not a list: 'quoted' \"twice\" ünïcode 🐘 \t"
  priority: high
  durability: store
  timeout: 1d2h3m
  concurrency: {limit: 3, key: "${{ input.a }}", onLimit: skip}
  triggers:
    - {id: nightly, cron: {schedule: "0 2 * * *", timezone: Europe/Berlin, catchUp: latest}}
    - {id: made, event: {name: thing.made, if: event.data.x > 1}, input: {a: "${{ event.data }}"}}
  input: {type: object, properties: {a: {type: [string, "null"], pattern: "^[a-z: #]*$"}}}
  steps:
    - id: texts
      set: {yes: "yes", nothing: null, number: "007", big: 12345678901234567, small: 1.5e-9, date: "2026-01-01", multi: "a\n  b\n\nc\n", empty: {}, none: [], literal: "$${{ x }}"}
    - id: code
      function: {source: "if (input.a) {\n  return {a: '#'}\n}\nreturn null\n"}
      timeout: 500ms
    - id: loop
      forEach: {items: [1, 2], as: n, parallelism: 2, onError: collect}
      steps: [{id: inner, request: {method: PUT, url: "https://example.com/${{ n }}", headers: {X-A: b}, accept: [404, 5xx]}, retry: {maxAttempts: 2, retryOn: [429, timeout]}}]
    - id: both
      parallel: {branches: {left: {steps: [{id: l, delay: {until: "${{ now() }}"}}]}, right: {steps: [{id: r, waitFor: {event: x, timeout: 2h}, onError: continue}]}}}
  output: {a: ["${{ steps.texts }}", false, 0, ""]}
  onFailure: [{id: tell, emit: {event: failed}}]
`

// What export writes applies unchanged: diff says nothing, of any kind of resource,
// in any form, and from files as from one stream.
func TestExportAppliesUnchanged(t *testing.T) {
	d, err := daemon.StartDev(t.Context(), daemon.DevOptions{
		Dir: t.TempDir(), Listen: "127.0.0.1:0",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	}()
	dir := t.TempDir()
	env := map[string]string{"PARAGON_SERVER": "http://" + d.Addr().String(), "PARAGON_TOKEN": d.Token, "HOME": dir, "HELLO_TOKEN": "hello"}
	paragonctl := func(want int, args ...string) string {
		t.Helper()
		var out, complaints bytes.Buffer
		code := cli.Run(t.Context(), &command.Env{
			Streams: &terminal.Streams{In: strings.NewReader(""), Out: &out, Err: &complaints}, Now: time.Now, Version: "test",
			Getenv: func(name string) string { return env[name] },
		}, args)
		if code != want {
			t.Fatalf("%s ended with %d, want %d\n%s%s", strings.Join(args, " "), code, want, out.String(), complaints.String())
		}
		return out.String()
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	paragonctl(0, "apply", "-f", write("odd.yaml", odd), "-f", "../../../examples", "-R")
	// Secrets say where they come from, which is where their values are now.
	for _, secret := range []struct{ name, file string }{
		{"CRM_TOKEN", "quickstart/crm-token.txt"}, {"SHOP_WEBHOOK_SECRET", "crm-upsert/shop-secret.txt"}, {"SHOP_CRM_TOKEN", "crm-upsert/crm-token.txt"},
		{"GITHUB_WEBHOOK_SECRET", "github-webhook/webhook-secret.txt"}, {"PARTNER_KEY", "quote-api/partner-key.txt"},
		{"CHAT_KEY", "destinations/chat-key.txt"}, {"CHAT_URL", "destinations/chat-url.txt"},
	} {
		text, err := os.ReadFile(filepath.Join("../../../examples", filepath.FromSlash(secret.file)))
		if err != nil {
			t.Fatal(err)
		}
		env[secret.name] = strings.TrimSpace(string(text))
	}
	names := paragonctl(0, "export", "-o", "name")
	for _, want := range []string{"workflow/odd\n", "workflow/saga\n", "secret/CRM_TOKEN\n"} {
		if !strings.Contains(names, want) {
			t.Errorf("export does not hold %s:\n%s", want, names)
		}
	}
	paragonctl(0, "diff", "-f", write("all.yaml", paragonctl(0, "export")))
	paragonctl(0, "diff", "-f", write("all-again.yaml", paragonctl(0, "export", "-o", "yaml")))
	paragonctl(0, "export", "--dir", filepath.Join(dir, "files"))
	paragonctl(0, "diff", "-f", filepath.Join(dir, "files"))
	paragonctl(0, "fmt", "-f", filepath.Join(dir, "files"))
	if out := paragonctl(0, "apply", "-f", filepath.Join(dir, "files"), "-o", "json", "--jq", ".changed"); out != "false\n" {
		t.Errorf("applying what was exported changes: %s", out)
	}
	for _, name := range strings.Fields(names) {
		paragonctl(0, "diff", "-f", write("one.json", paragonctl(0, "export", name, "-o", "json", "--jq", ".items[0]")))
	}
	paragonctl(1, "diff", "-f", write("changed.yaml", strings.Replace(odd, "limit: 3", "limit: 4", 1)))
}
