package cli

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// patient is a server as doctor sees it: what it answers, by path. A path that
// is left out is not found.
type patient struct {
	answers map[string]any
	refuses bool
	date    string
}

func (p *patient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Date"] = nil
	if p.date != "" {
		w.Header().Set("Date", p.date)
	}
	w.Header().Set("Content-Type", "application/json")
	answer, ok := p.answers[r.URL.Path]
	switch {
	case r.URL.Path == "/v1/whoami" && p.refuses:
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		answer = map[string]any{"type": "/problems/unauthorized", "title": "Unauthorized", "status": 401, "detail": "the token does not count"}
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case r.URL.Path == "/readyz" && answer.(map[string]any)["status"] != "ok":
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func examined(t *testing.T, server string) (checks map[string]api.Check, code int) {
	t.Helper()
	var out, complaints bytes.Buffer
	variables := map[string]string{"PARAGON_SERVER": server, "PARAGON_TOKEN": "pgn_x", "PARAGON_CONFIG": t.TempDir() + "/config.json"}
	env := &command.Env{Streams: &terminal.Streams{In: strings.NewReader(""), Out: &out, Err: &complaints},
		Getenv: func(name string) string { return variables[name] }, Now: time.Now, Version: "v1"}
	code = Run(t.Context(), env, []string{"doctor", "-o", "json"})
	var list struct{ Items []api.Check }
	if err := json.Unmarshal(out.Bytes(), &list); err != nil {
		t.Fatalf("exit %d: %v: %s%s", code, err, &out, &complaints)
	}
	checks, failed := map[string]api.Check{}, 0
	for _, c := range list.Items {
		checks[c.Name] = c
		if c.Status == api.CheckFailed {
			failed++
		}
		if (c.Status == api.CheckOK) != (c.Advice == "") || c.Found == "" {
			t.Errorf("says too little or too much: %+v", c)
		}
	}
	if (failed > 0) != (code == command.ExitFailure) || failed == 0 && code != command.ExitOK {
		t.Errorf("exit %d with %d failed checks", code, failed)
	}
	return checks, code
}

// Each check of doctor fails when what it looks at is not well, and says what to
// do; what is not required is told and fails nothing.
func TestDoctorFindsEachFault(t *testing.T) {
	ready := func(status, name string, required bool) map[string]any {
		return map[string]any{"status": status, "checks": map[string]any{
			"configuration": map[string]any{"ok": true, "required": true},
			name:            map[string]any{"ok": false, "required": required, "error": name + " is away"},
		}}
	}
	for _, tt := range []struct {
		what, check, status, advice string
		change                      func(*patient)
	}{
		{"all is well", "server", api.CheckOK, "", func(*patient) {}},
		{"it is no Paragon", "server", api.CheckFailed, "PARAGON_SERVER", func(p *patient) { delete(p.answers, "/readyz") }},
		{"it has no version", "version", api.CheckFailed, "the role api", func(p *patient) { delete(p.answers, "/version") }},
		{"it is another release", "version", api.CheckUnknown, "of the server's release", func(p *patient) { p.answers["/version"] = api.Version{Version: "v2"} }},
		{"it is not ready", "ready", api.CheckFailed, "`paragond doctor`", func(p *patient) { p.answers["/readyz"] = ready("unavailable", "redis", true) }},
		{"Redis is away", "ready: redis", api.CheckFailed, "`paragond doctor`", func(p *patient) { p.answers["/readyz"] = ready("unavailable", "redis", true) }},
		{"Postgres is away", "ready: store", api.CheckUnknown, "`paragond doctor`", func(p *patient) { p.answers["/readyz"] = ready("ok", "store", false) }},
		{"it stops", "ready", api.CheckFailed, "ask another one", func(p *patient) { p.answers["/readyz"] = map[string]any{"status": "draining"} }},
		{"the token does not count", "token", api.CheckFailed, "paragonctl auth login", func(p *patient) { p.refuses = true }},
		{"the clock is late", "clock", api.CheckFailed, "Let NTP", func(p *patient) { p.date = time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat) }},
		{"the clock is early", "clock", api.CheckFailed, "Let NTP", func(p *patient) { p.date = time.Now().Add(time.Minute).UTC().Format(http.TimeFormat) }},
		{"a proxy hides the clock", "clock", api.CheckUnknown, "proxy in front", func(p *patient) { p.date = "" }},
	} {
		t.Run(tt.what, func(t *testing.T) {
			p := &patient{date: time.Now().UTC().Format(http.TimeFormat), answers: map[string]any{
				"/readyz": map[string]any{"status": "ok"}, "/version": api.Version{Version: "v1"},
				"/v1/whoami": api.Identity{Name: "ci", Role: "operator", Project: "default"},
			}}
			tt.change(p)
			server := httptest.NewServer(p)
			defer server.Close()
			checks, _ := examined(t, server.URL)
			if c := checks[tt.check]; c.Status != tt.status || !strings.Contains(c.Advice, tt.advice) {
				t.Errorf("%+v; want %s with %q, of %v", c, tt.status, tt.advice, checks)
			}
			for name, c := range checks {
				if c.Status == api.CheckFailed && name != tt.check && !strings.HasPrefix(name, "ready") {
					t.Errorf("%+v failed, too", c)
				}
			}
		})
	}
	if checks, code := examined(t, "http://127.0.0.1:1"); code != command.ExitFailure || len(checks) != 1 || !strings.Contains(checks["server"].Advice, "See that paragond runs") {
		t.Errorf("nothing is there: exit %d, %+v", code, checks)
	}
}
