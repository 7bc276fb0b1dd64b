package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"paragon/engine/servicetest"
	"paragon/schema/api/contexts"
)

func TestMain(m *testing.M) { servicetest.Main(m) }

// run executes a command line in this process.
func runCommand(t *testing.T, ctx context.Context, args ...string) (out string, code int) {
	t.Helper()
	var buf bytes.Buffer
	cmd := newRoot()
	cmd.SetOut(&buf)
	cmd.SetErr(&buf)
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(ctx); err != nil {
		return buf.String() + err.Error(), exitCode(err)
	}
	return buf.String(), 0
}

func TestBadCommandLines(t *testing.T) {
	t.Setenv("PARAGON_MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"serve", "--rolls", "api"}, 2, "unknown flag: --rolls"},
		{[]string{"serve", "--roles", "api,cook", "--redis", "redis://127.0.0.1:1"}, 2, `"cook" is not a role`},
		{[]string{"serve", "--log-format", "xml"}, 2, "choose text or json"},
		{[]string{"serve", "--lanes", "0", "--redis", "redis://127.0.0.1:1", "--roles", "worker"}, 2, "from 1 to 1024"},
		{[]string{"serve", "--lanes", "2000", "--redis", "redis://127.0.0.1:1", "--roles", "worker"}, 2, "from 1 to 1024"},
		{[]string{"serve", "--allow-private", "ten"}, 2, "write it like 10.0.0.0/8"},
		{[]string{"serve", "--public-url", "paragon.example.org"}, 2, "write it like https://paragon.example.org"},
		{[]string{"serve", "--keep-history", "a month"}, 2, "write it like 30d, or shop=90d"},
		{[]string{"serve", "--keep-history", "shop=1h"}, 2, "a day (1d) is the least"},
		{[]string{"dev", "--otlp-endpoint", "collector:4318"}, 2, "write it like http://collector:4318"},
		{[]string{"dev", "--otlp-endpoint", "http://collector:4318", "--trace-share", "7"}, 2, "choose 0 to 1"},
		{[]string{"serve", "--redis", "redis://127.0.0.1:1", "--tls-cert", "cert.pem", "--roles", "worker"}, 2, "give both"},
		{[]string{"serve", "--redis", "rediss://127.0.0.1:1/0?cert=cert.pem", "--roles", "worker"}, 2, "give both"},
		{[]string{"serve", "--redis", "redis://127.0.0.1:1", "--roles", "worker"}, 1, "See that Redis runs"},
		{[]string{"rotate-master-key"}, 2, "--postgres and --redis"},
		{[]string{"migrate"}, 2, "--postgres"},
		{[]string{"bootstrap"}, 2, "--postgres and --redis"},
		{[]string{"migrate", "--postgres", "postgres://127.0.0.1:1/none?connect_timeout=2"}, 1, "127.0.0.1"},
	} {
		out, code := runCommand(t, t.Context(), test.args...)
		if code != test.code || !strings.Contains(out, test.want) {
			t.Errorf("paragond %s: exit %d, %q; want exit %d and %q", strings.Join(test.args, " "), code, out, test.code, test.want)
		}
	}
}

// A new installation: the schema is refused until it is migrated, the first
// key is made once, and serve runs until it is told to stop.
func TestNewInstallation(t *testing.T) {
	postgres := servicetest.Postgres(t)
	redis := "redis://" + servicetest.Redis(t)
	dir := t.TempDir()
	t.Setenv("PARAGON_MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	t.Setenv("PARAGON_CONFIG", filepath.Join(dir, "config.json"))
	serve := []string{"serve", "--listen", "127.0.0.1:0", "--postgres", postgres, "--redis", redis, "--log-level", "error"}

	out, code := runCommand(t, t.Context(), serve...)
	if code != 1 || !strings.Contains(out, "paragond migrate") {
		t.Fatalf("serve on an empty database: exit %d, %q", code, out)
	}
	for range 2 { // the second finds nothing to do
		if out, code := runCommand(t, t.Context(), "migrate", "--postgres", postgres); code != 0 {
			t.Fatalf("migrate: exit %d, %q", code, out)
		}
	}
	out, code = runCommand(t, t.Context(), "bootstrap", "--postgres", postgres, "--redis", redis, "--write-context", "prod")
	if code != 0 {
		t.Fatalf("bootstrap: exit %d, %q", code, out)
	}
	file, err := contexts.Load(filepath.Join(dir, "config.json"))
	if err != nil || file.Contexts["prod"].Token == "" {
		t.Fatalf("the context has no token: %+v, %v", file, err)
	}
	if out, code := runCommand(t, t.Context(), "bootstrap", "--postgres", postgres, "--redis", redis); code != 1 || !strings.Contains(out, "there are keys already") {
		t.Errorf("a second bootstrap: exit %d, %q", code, out)
	}
	// A new master key in front, rotate, the old one away.
	const oldKey, newKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
	t.Setenv("PARAGON_MASTER_KEY", newKey+","+oldKey)
	if out, code := runCommand(t, t.Context(), "rotate-master-key", "--postgres", postgres, "--redis", redis); code != 0 || !strings.Contains(out, "1 data keys") {
		t.Errorf("rotate-master-key: exit %d, %q", code, out)
	}
	t.Setenv("PARAGON_MASTER_KEY", newKey)
	if out, code := runCommand(t, t.Context(), "rotate-data-key", "--settle", "0", "--postgres", postgres, "--redis", redis); code != 0 {
		t.Errorf("rotate-data-key: exit %d, %q", code, out)
	}
	t.Setenv("PARAGON_MASTER_KEY", oldKey)
	if out, code := runCommand(t, t.Context(), "rotate-data-key", "--settle", "0", "--postgres", postgres, "--redis", redis); code != 1 || !strings.Contains(out, "not configured") {
		t.Errorf("with the old key alone: exit %d, %q", code, out)
	}
	t.Setenv("PARAGON_MASTER_KEY", newKey)
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second) // serve ends with it
	defer stop()
	if out, code := runCommand(t, ctx, serve...); code != 0 {
		t.Errorf("serve: exit %d, %q", code, out)
	}
}
