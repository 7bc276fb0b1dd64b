package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"log/slog"
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
