package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paragon/engine/daemon"
	"paragon/schema"
	"paragon/schema/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startDev is a `paragond dev` in this process, with a client.
func startDev(t *testing.T) (*daemon.Dev, *api.Client) {
	t.Helper()
	d, err := daemon.StartDev(t.Context(), daemon.DevOptions{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", FarSide: "127.0.0.1:0",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := api.New("http://"+d.Addr().String(), d.Token)
	t.Cleanup(func() {
		c.Close()
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return d, c
}

var (
	inputLine  = regexp.MustCompile(`(?m)^# input: (.*)$`)
	resultLine = regexp.MustCompile(`(?m)^# steps\.(\w+) = (.*)$`)
)

// Every snippet that says its input runs, and gives the results that it says.
func TestSnippetsRun(t *testing.T) {
	d, c := startDev(t)
	ran := 0
	for _, p := range pages(t) {
		for _, s := range snippets(p, "yaml") {
			input := inputLine.FindStringSubmatch(s.text)
			if input == nil {
				continue
			}
			ran++
			want := map[string]any{}
			shown := "  output:\n    done: true\n"
			for _, m := range resultLine.FindAllStringSubmatch(s.text, -1) {
				var v any
				if err := json.Unmarshal([]byte(m[2]), &v); err != nil {
					t.Errorf("%s:%d: %s: %v", s.page, s.line, m[0], err)
				}
				want[m[1]] = v
				shown += "    " + m[1] + ": ${{ steps." + m[1] + " }}\n"
			}
			// A respond step's body would be the output.
			text := strings.ReplaceAll(s.document(shown), "http://127.0.0.1:7421", d.FarSide)
			got := run(t, c, s, text, input[1], strings.Contains(s.text, "respond:"))
			for step, v := range want {
				if !reflect.DeepEqual(got[step], v) {
					t.Errorf("%s:%d: steps.%s is %v; the page says %v", s.page, s.line, step, got[step], v)
				}
			}
		}
	}
	if ran < 10 {
		t.Errorf("only %d snippets ran", ran)
	}
}

// run runs a snippet and returns its output, or from the log what its steps
// gave.
func run(t *testing.T, c *api.Client, s snippet, text, input string, fromLog bool) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := c.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: s.page, Content: text}}}, api.ApplyOptions{}); err != nil {
		t.Errorf("%s:%d: apply: %v\n%s", s.page, s.line, err, text)
		return nil
	}
	r, err := c.Trigger(ctx, "snippet", api.TriggerRequest{Input: json.RawMessage(input)}, 0)
	if err != nil {
		t.Errorf("%s:%d: trigger: %v", s.page, s.line, err)
		return nil
	}
	if r, err = c.WaitRun(ctx, r.ID); err != nil || r.Status != schema.RunSucceeded {
		t.Errorf("%s:%d: the run %+v, %v", s.page, s.line, r, err)
		return nil
	}
	out := map[string]any{}
	if !fromLog {
		if err := json.Unmarshal(r.Output, &out); err != nil {
			t.Errorf("%s:%d: output %s: %v", s.page, s.line, r.Output, err)
		}
		return out
	}
	steps, err := c.Steps(ctx, r.ID)
	if err != nil {
		t.Errorf("%s:%d: steps: %v", s.page, s.line, err)
	}
	for _, rec := range steps {
		var v any
		if len(rec.Result) > 0 && json.Unmarshal(rec.Result, &v) == nil {
			out[rec.Path] = v
		}
	}
	return out
}

// The table of http.md has the routes that the server says it has.
func TestRoutesAreDescribed(t *testing.T) {
	d, _ := startDev(t)
	resp, err := http.Get("http://" + d.Addr().String() + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc struct{ Paths map[string]map[string]any }
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("http.md")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]+) ([^`]*)` ").FindAllStringSubmatch(string(page), -1) {
		path := strings.ReplaceAll(m[2], "…", "/v1/projects/{project}")
		for _, kind := range []string{"workflows", "secrets", "integrations", "destinations"} {
			described[m[1]+" "+strings.ReplaceAll(path, "{kind}", kind)] = true
		}
	}
	there := map[string]bool{}
	for path, methods := range doc.Paths {
		for method := range methods {
			route := strings.ToUpper(method) + " " + path
			if strings.HasPrefix(path, "/hooks/") || strings.HasSuffix(path, "/proxy/{path}") {
				route = "ANY " + path
			}
			there[route] = true
			if !described[route] {
				t.Errorf("http.md does not describe %s", route)
			}
		}
	}
	for route := range described {
		if !there[route] {
			t.Errorf("http.md describes %s, which does not exist", route)
		}
	}
}

// Every flag and every variable of paragond is in operate.md.
func TestFlagsAndVariablesAreDescribed(t *testing.T) {
	page, err := os.ReadFile("operate.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../cmd/paragond/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	n := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`Var\(&[\w.]+, "([\w-]+)"`).FindAllSubmatch(source, -1) {
			n++
			if !bytes.Contains(page, []byte("`--"+string(m[1])+"`")) {
				t.Errorf("operate.md does not describe --%s", m[1])
			}
		}
		for _, name := range regexp.MustCompile(`PARAGON_\w+`).FindAll(source, -1) {
			// These two are paragonctl's; dev prints them.
			if text := string(name); text == "PARAGON_SERVER" || text == "PARAGON_TOKEN" {
				continue
			}
			if !bytes.Contains(page, append([]byte("`"), append(name, '`')...)) {
				t.Errorf("operate.md does not describe %s", name)
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d flags were found", n)
	}
}
