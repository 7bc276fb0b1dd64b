package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/schema/api/contexts"
)

func TestExitCodes(t *testing.T) {
	problem := func(kind schema.ProblemType) error {
		return fmt.Errorf("do it: %w", &schema.Problem{Type: kind})
	}
	tests := []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{Usage("x"), 2},
		{problem(schema.ProblemNotFound), 3},
		{problem(schema.ProblemUnauthenticated), 4},
		{problem(schema.ProblemForbidden), 4},
		{problem(schema.ProblemConflict), 5},
		{problem(schema.ProblemPrecondition), 5},
		{problem(schema.ProblemInvalid), 6},
		{problem(schema.ProblemTooLarge), 6},
		{problem(schema.ProblemTimeout), 7},
		{fmt.Errorf("wait: %w", ErrWaited), 7},
		{problem(schema.ProblemUnavailable), 8},
		{&api.UnreachableError{}, 8},
		{problem(schema.ProblemInternal), 1},
		{problem(schema.ProblemRateLimited), 1},
		{fmt.Errorf("wait: %w", ErrInterrupted), 130},
		{context.Canceled, 130},
		{&schema.Problem{Type: "/problems/new", Status: 409}, 5},
		{WithTry(problem(schema.ProblemNotFound), "look"), 3},
		{&Failure{Code: ExitFailure, Err: problem(schema.ProblemNotFound)}, 1},
		{&Quiet{Code: 1}, 1},
	}
	for _, tt := range tests {
		if got := ExitCode(tt.err); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestConnectionPrecedence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	file := &contexts.File{Current: "dev", Contexts: map[string]contexts.Context{
		"dev":  {Server: "http://dev:1", Project: "p-dev", Token: "t-dev"},
		"prod": {Server: "https://prod", Token: "t-prod"},
	}}
	if err := contexts.Save(path, file); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		env   map[string]string
		flags GlobalFlags
		want  Connection
	}{
		{name: "current context", want: Connection{Server: "http://dev:1", Project: "p-dev", Token: "t-dev"}},
		{name: "context of the environment", env: map[string]string{"PARAGON_CONTEXT": "prod"}, want: Connection{Server: "https://prod", Project: "default", Token: "t-prod"}},
		{name: "context of the flag", env: map[string]string{"PARAGON_CONTEXT": "dev"}, flags: GlobalFlags{Context: "prod"}, want: Connection{Server: "https://prod", Project: "default", Token: "t-prod"}},
		{name: "environment over context", env: map[string]string{"PARAGON_PROJECT": "p-env", "PARAGON_TOKEN": "t-env"}, want: Connection{Server: "http://dev:1", Project: "p-env", Token: "t-env"}},
		{name: "flag over environment", env: map[string]string{"PARAGON_PROJECT": "p-env"}, flags: GlobalFlags{Project: "p-flag"}, want: Connection{Server: "http://dev:1", Project: "p-flag", Token: "t-dev"}},
		{name: "another server gets no token of the context", flags: GlobalFlags{Server: "http://evil"}, want: Connection{Server: "http://evil", Project: "p-dev"}},
		{name: "the same server, written in another way", flags: GlobalFlags{Server: "DEV:1/"}, want: Connection{Server: "DEV:1/", Project: "p-dev", Token: "t-dev"}},
		{name: "nothing at all", env: map[string]string{"PARAGON_CONFIG": "/nowhere/config.json"}, want: Connection{Server: api.DefaultServer, Project: "default"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &Env{Flags: tt.flags, Getenv: func(name string) string {
				if v, ok := tt.env[name]; ok || name != "PARAGON_CONFIG" {
					return v
				}
				return path
			}}
			c, err := e.Connection()
			if err != nil {
				t.Fatal(err)
			}
			if c.Server != tt.want.Server || c.Project != tt.want.Project || c.Token != tt.want.Token {
				t.Errorf("got %+v, want %+v", c, tt.want)
			}
		})
	}
}

func TestGitHubEscapes(t *testing.T) {
	var b bytes.Buffer
	WriteGitHub(&b, []schema.Diagnostic{
		{File: "a,b:c%.yaml", Line: 1, Column: 2, Code: "x", Message: "100%\r\nbad: a, b"},
		{Severity: schema.SeverityWarning, Message: "w"},
	})
	want := "::error file=a%2Cb%3Ac%25.yaml,line=1,col=2,title=x::100%25%0D%0Abad: a, b\n::warning::w\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestDiagnosticsPointAtTheColumn(t *testing.T) {
	var b bytes.Buffer
	WriteDiagnostics(&b, terminal.Plain, []schema.Diagnostic{
		{File: "f.yaml", Line: 3, Column: 6, Source: "日本\x1b: x", Message: "m"},
		{File: "f.yaml", Line: 3, Column: 99, Source: "short", Message: "beyond the end"},
		{Resource: "workflow/w", Field: "spec.steps[0]", Message: "no place"},
	})
	want := "f.yaml:3:6: error: m\n" +
		"   3 | 日本\\x1b: x\n" +
		"     |           ^\n"
	if !strings.HasPrefix(b.String(), want) || !strings.HasSuffix(b.String(), "workflow/w spec.steps[0]: error: no place\n") {
		t.Errorf("got\n%s", b.String())
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"1h":                        now.Add(-time.Hour),
		"7d":                        now.Add(-7 * 24 * time.Hour),
		"2026-01-01":                time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		"2026-01-01T10:00:00":       time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC),
		"2026-01-01T10:00:00+02:00": time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC),
	} {
		if got, err := ParseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	if _, err := ParseTime("yesterday", now); ExitCode(err) != ExitUsage {
		t.Errorf("yesterday: %v", err)
	}
}

// A hint around an error leaves its code as it is.
func TestAHintKeepsTheCode(t *testing.T) {
	err := WithTry(fmt.Errorf("edit: %w", WithTry(Usage("no"), "one")), "two")
	if got := ExitCode(err); got != ExitUsage {
		t.Errorf("exit code %d, want %d", got, ExitUsage)
	}
}
