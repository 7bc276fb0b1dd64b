package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"log/slog"

	"github.com/spf13/cobra"

	"paragon/engine/daemon"
	"paragon/engine/tracing/tracingtest"
)

// Profiles are on a listener of their own, which ends with the process.
func TestProfiles(t *testing.T) {
	var log strings.Builder
	o := telemetryFlags{share: 1, profiles: "127.0.0.1:0"}
	seen, err := o.start(t.Context(), "serve", slog.New(slog.NewJSONHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(log.String(), `"address":"`)
	address, _, _ = strings.Cut(address, `"`)
	for path, want := range map[string]string{"/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/cmdline": ""} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), want) {
			t.Errorf("GET %s: %s, %v: %.200s", path, resp.Status, err, text)
		}
	}
	if err := seen.stop(context.Background()); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// Without the flag there are no profiles: no listener of their own, and nothing
// at their paths where the API is.
func TestNoProfilesByDefault(t *testing.T) {
	o := telemetryFlags{share: 1}
	seen, err := o.start(t.Context(), "serve", slog.New(slog.DiscardHandler))
	if err != nil || seen.profiles != nil || seen.tracer != nil {
		t.Fatalf("without flags there are %+v, %v", seen, err)
	}
	d, err := daemon.StartDev(t.Context(), daemon.DevOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s%s", d.Addr(), path), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+d.Token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s answers %s to an owner", path, resp.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := seen.stop(context.Background()); err != nil {
		t.Error(err)
	}
}

// --trace-share is the part of the traces begun here that is sent; what a caller
// has begun is sent when the caller says so.
func TestTraceShare(t *testing.T) {
	for share, want := range map[string]int{"0": 1, "1": 2} {
		c := tracingtest.Start(t)
		var o telemetryFlags
		cmd := &cobra.Command{}
		o.add(cmd)
		if err := cmd.ParseFlags([]string{"--otlp-endpoint", c.URL, "--trace-share", share}); err != nil {
			t.Fatal(err)
		}
		seen, err := o.start(t.Context(), "serve", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for _, parent := range []string{"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00"} {
			_, span := seen.tracer.Request(t.Context(), parent, "GET")
			span.Answered("GET", "/", 200)
		}
		if err := seen.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.Spans(); len(got) != want {
			t.Errorf("--trace-share %s: %d spans are sent; want %d", share, len(got), want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
