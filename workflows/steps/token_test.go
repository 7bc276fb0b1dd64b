package steps

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paragon/engine/outbound"
	"paragon/workflows/exchange"
)

// authServer gives out tokens t1, t2, … and takes the newest one.
type authServer struct {
	*httptest.Server
	issued   atomic.Int64
	valid    atomic.Int64 // the number of the token that /api takes
	status   atomic.Int64 // of the token endpoint, 0 for 200
	bodyOnly atomic.Bool  // credentials only in the body
	expires  atomic.Value
	requests atomic.Int64
}

func newAuthServer(t *testing.T) *authServer {
	s := &authServer{}
	s.expires.Store("3600")
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api" {
			if r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", s.valid.Load()) {
				w.WriteHeader(http.StatusUnauthorized)
				io.WriteString(w, "bad: "+r.Header.Get("Authorization"))
			}
			return
		}
		s.requests.Add(1)
		r.ParseForm()
		id, secret, basic := r.BasicAuth()
		if !basic {
			id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
		}
		w.Header().Set("Content-Type", "application/json")
		switch {
		case s.status.Load() != 0:
			w.WriteHeader(int(s.status.Load()))
			io.WriteString(w, `{"error":"temporarily_unavailable"}`)
		case basic && s.bodyOnly.Load():
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error":"invalid_client"}`)
		case id != "me" || secret != "s%3A cret" && secret != "s: cret" && secret != "s%3A+cret" || r.PostForm.Get("grant_type") != "client_credentials":
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error":"invalid_client","error_description":"who is that"}`)
		default:
			n := s.issued.Add(1)
			s.valid.Store(n)
			fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":%s}`, n, s.expires.Load())
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *authServer) step(secret string, scopes ...any) map[string]any {
	return map[string]any{"url": s.URL + "/api", "auth": map[string]any{"oauth2": map[string]any{
		"tokenUrl": s.URL + "/token?x=${{ 'y' }}", "clientId": "me", "clientSecret": secret, "scopes": scopes}}}
}

func TestTokenIsKeptAndShared(t *testing.T) {
	s := newAuthServer(t)
	r := requests(t)
	var wg sync.WaitGroup
	spec := step(t, map[string]any{"request": s.step("s: cret", "a", "b")})
	for range 20 {
		wg.Go(func() {
			out := r.Perform(context.Background(), Call{Step: spec, Scope: scope(nil)})
			if out.Err != nil {
				t.Error(out.Err)
			}
		})
	}
	wg.Wait()
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d requests for a token", n)
	}
	// Other scopes are another token.
	resultOf(t, perform(t, r, s.step("s: cret", "c"), nil))
	if n := s.requests.Load(); n != 2 {
		t.Errorf("%d requests for two tokens", n)
	}
}

// shifted is the system's clock, showing another time.
type shifted struct {
	exchange.Clock
	now func() time.Time
}

func (s shifted) Now() time.Time { return s.now() }

func TestTokenIsRenewed(t *testing.T) {
	s := newAuthServer(t)
	var now atomic.Int64
	c := outbound.New(outbound.Settings{AllowLoopback: true})
	c.Clock = shifted{exchange.System, func() time.Time { return time.Unix(1_000_000+now.Load(), 0) }}
	defer c.Close()
	r := NewRequests(c, nil)
	attempt := func() Outcome { return perform(t, r, s.step("s: cret"), nil) }
	resultOf(t, attempt())
	now.Store(3600 - 61)
	resultOf(t, attempt())
	if n := s.issued.Load(); n != 1 {
		t.Errorf("renewed too early: %d", n)
	}
	now.Store(3600 - 59)
	resultOf(t, attempt())
	if n := s.issued.Load(); n != 2 {
		t.Errorf("not renewed before it expires: %d", n)
	}
	// While it is still good, a failing renewal does not fail the step.
	now.Add(3600 - 30)
	s.status.Store(503)
	resultOf(t, attempt())
	now.Add(60)
	wantError(t, attempt(), "http", false)
	s.status.Store(0)
	resultOf(t, attempt())

	// A token that is refused is fetched again, once.
	s.valid.Store(99)
	before := s.issued.Load()
	resultOf(t, attempt())
	if s.issued.Load() != before+1 {
		t.Errorf("%d tokens after a 401", s.issued.Load()-before)
	}
}

func TestTokenThatIsNeverTaken(t *testing.T) {
	s := newAuthServer(t)
	s.expires.Store(`"3600"`)
	mux := http.NewServeMux()
	hits := 0
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		hits++
		w.WriteHeader(401)
		io.WriteString(w, r.Header.Get("Authorization"))
	})
	api := httptest.NewServer(mux)
	defer api.Close()
	r := requests(t)
	spec := s.step("s: cret")
	spec["url"] = api.URL
	for i, want := range []int{1, 3} {
		out := perform(t, r, spec, nil)
		wantError(t, out, "http", false)
		if hits != want {
			t.Errorf("attempt %d: %d requests, want %d", i+1, hits, want)
		}
		if strings.Contains(out.Err.Message, "token-") || strings.Contains(out.Response.Body, "token-") {
			t.Errorf("the token is shown: %s", out.Err.Message)
		}
	}
}

func TestTokenEndpointFailures(t *testing.T) {
	s := newAuthServer(t)
	out := perform(t, requests(t), s.step("wrong"), nil)
	wantError(t, out, "http", false)
	if out.Err.Status != 401 || !strings.Contains(out.Err.Message, "/token?*** (OAuth2 token): 401 Unauthorized: invalid_client who is that") {
		t.Error(out.Err.Message)
	}
	s.bodyOnly.Store(true)
	r := requests(t)
	resultOf(t, perform(t, r, s.step("s: cret"), nil))
	before := s.requests.Load()
	s.valid.Store(50)
	resultOf(t, perform(t, r, s.step("s: cret"), nil))
	if n := s.requests.Load() - before; n != 1 {
		t.Errorf("how the server takes the credentials is not remembered: %d requests", n)
	}
	for body, kind := range map[string]string{
		"no json":                 "response",
		`{}`:                      "response",
		`{"access_token":"a\nb"}`: "response",
		`{"access_token":"a","token_type":"mac"}`: "response",
	} {
		bad, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
		spec := s.step("x")
		spec["auth"].(map[string]any)["oauth2"].(map[string]any)["tokenUrl"] = bad.URL
		wantError(t, perform(t, requests(t), spec, nil), kind, false)
	}
	redirecting, got := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	spec := s.step("s: cret")
	spec["auth"].(map[string]any)["oauth2"].(map[string]any)["tokenUrl"] = redirecting.URL
	wantError(t, perform(t, requests(t), spec, nil), "http", false)
	for _, r := range *got {
		if r.uri != "/" {
			t.Errorf("the credentials follow a redirect to %s", r.uri)
		}
	}
}
