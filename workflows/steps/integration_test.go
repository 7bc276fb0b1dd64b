package steps

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paragon/engine/outbound"
	"paragon/workflows"
	"paragon/workflows/exchange"
)

// account is a target whose tokens are numbered; tokens are those that it may
// still take.
type account struct {
	base    *url.URL
	token   string
	accept  string // what the API wants
	more    []string
	refused error
	timeout time.Duration
	pages   *workflows.Pages
	renewed *atomic.Int64
}

func (a *account) URL(path string) (*url.URL, error) { return exchange.Under(a.base, path) }
func (a *account) Secrets() []string                 { return []string{a.token} }
func (a *account) Hide(result []byte) []byte {
	return bytes.ReplaceAll(result, []byte(a.token), []byte("***"))
}
func (a *account) Timeout() time.Duration  { return a.timeout }
func (a *account) Pages() *workflows.Pages { return a.pages }

func (a *account) Authorize(r *http.Request) error {
	if !exchange.SameOrigin(a.base, r.URL) || r.Host != "" && r.Host != r.URL.Host {
		return errors.New("another host")
	}
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", a.accept)
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	return nil
}

func (a *account) Refused(context.Context) (Target, error) {
	a.renewed.Add(1)
	if len(a.more) == 0 {
		return nil, a.refused
	}
	next := *a
	next.token, next.more = a.more[0], a.more[1:]
	return &next, nil
}

// accounts are those of a test, by integration.
type accounts struct {
	by   map[string]*account
	seen []Caller
}

func (a *accounts) Target(_ context.Context, who Caller) (Target, error) {
	a.seen = append(a.seen, who)
	if t := a.by[who.Integration]; t != nil {
		return t, nil
	}
	return nil, &Refusal{Type: ErrorIntegration, Message: "there is no integration " + who.Integration}
}

func newAccount(t *testing.T, address, token string, more ...string) *account {
	t.Helper()
	base, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return &account{base: base, token: token, more: more, renewed: &atomic.Int64{},
		refused: &Refusal{Type: ErrorCredential, Message: "connect it anew"}}
}

// connected is a performer with integrations.
func connected(t *testing.T, by map[string]*account) (*Requests, *accounts) {
	t.Helper()
	c := outbound.New(outbound.Settings{AllowLoopback: true})
	t.Cleanup(c.Close)
	a := &accounts{by: by}
	return NewRequests(c, a), a
}

func TestIntegration(t *testing.T) {
	s, got := recorder(t, nil)
	crm := newAccount(t, s.URL+"/v2", "token-of-crm")
	crm.accept = "application/vnd.crm+json"
	r, seen := connected(t, map[string]*account{"crm": crm})
	out := perform(t, r, map[string]any{"integration": "crm", "path": "/contacts/${{ input.id }}?a=b", "query": map[string]any{"c": "d"}, "account": "${{ 'work' }}"},
		map[string]any{"id": "7 8"}, func(c *Call) { c.User = "u1" })
	resultOf(t, out)
	sent := (*got)[0]
	if sent.uri != "/v2/contacts/7%208?a=b&c=d" || sent.header.Get("Authorization") != "Bearer token-of-crm" || sent.header.Get("Accept") != crm.accept {
		t.Errorf("%s %v", sent.uri, sent.header)
	}
	if strings.Contains(out.Request.Headers["Authorization"], "token-of-crm") {
		t.Error("the record shows the token")
	}
	if want := (Caller{"default", "crm", "u1", "work"}); seen.seen[0] != want {
		t.Errorf("%+v", seen.seen)
	}
	wantError(t, perform(t, r, map[string]any{"integration": "crm", "path": "/../admin"}, nil), "expression", true)
	wantError(t, perform(t, r, map[string]any{"integration": "nothing", "path": "/x"}, nil), ErrorIntegration, true)
	wantError(t, perform(t, requests(t), map[string]any{"integration": "crm", "path": "/x"}, nil), ErrorIntegration, true)
	if len(*got) != 1 {
		t.Errorf("%d requests", len(*got))
	}
}

// A 401 is answered once with another credential; without one the error says what
// to do.
func TestIntegrationIsRenewed(t *testing.T) {
	s, got := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer third-token" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	renewing := newAccount(t, s.URL, "second-token", "third-token")
	r, _ := connected(t, map[string]*account{"crm": renewing, "old": newAccount(t, s.URL, "first-token"),
		"twice": newAccount(t, s.URL, "first-token", "second-token", "third-token")})
	resultOf(t, perform(t, r, map[string]any{"integration": "crm", "path": "/x"}, nil))
	if n := renewing.renewed.Load(); n != 1 || len(*got) != 2 {
		t.Errorf("%d renewals, %d requests", n, len(*got))
	}
	out := perform(t, r, map[string]any{"integration": "old", "path": "/x"}, nil)
	wantError(t, out, ErrorCredential, true)
	if !strings.Contains(out.Err.Message, "connect it anew") || out.Err.Status != http.StatusUnauthorized {
		t.Error(out.Err)
	}
	// The second refusal is the far side's word.
	wantError(t, perform(t, r, map[string]any{"integration": "twice", "path": "/x"}, nil), "http", false)
	// Who accepts a 401 gets it.
	resultOf(t, perform(t, r, map[string]any{"integration": "old", "path": "/x", "accept": []any{401}}, nil))
}

// A redirect to another host takes no credential along.
func TestIntegrationRedirects(t *testing.T) {
	other, got := recorder(t, nil)
	s, _ := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/stolen", http.StatusFound)
	})
	r, _ := connected(t, map[string]*account{"crm": newAccount(t, s.URL, "token-of-crm")})
	resultOf(t, perform(t, r, map[string]any{"integration": "crm", "path": "/x"}, nil))
	if h := (*got)[0].header; h.Get("Authorization") != "" {
		t.Errorf("sent to another host: %v", h)
	}
	wantError(t, perform(t, r, map[string]any{"integration": "crm", "path": "/x", "headers": map[string]any{"Host": "evil.example"}}, nil), "expression", true)
}

// What a step leaves out of its pagination the integration says.
func TestIntegrationPages(t *testing.T) {
	s, got := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		next := map[string]string{"": "b", "b": "c", "c": ""}[r.URL.Query().Get("cursor")]
		_, _ = w.Write([]byte(`{"data":[1,2],"other":[3],"next":"` + next + `"}`))
	})
	with := newAccount(t, s.URL, "token-of-crm")
	i, err := workflows.CompileIntegration("crm", []byte(`{"baseUrl":"https://x.example","pagination":{"items":"response.body.data","nextPage":{"cursor":"${{ response.body.next }}"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	with.pages = i.Pages
	r, _ := connected(t, map[string]*account{"crm": with, "plain": newAccount(t, s.URL, "token-of-crm")})
	for items, want := range map[string]int{"": 6, "response.body.other": 3} {
		pagination := map[string]any{}
		if items != "" {
			pagination["items"] = items
		}
		*got = nil
		body := resultOf(t, perform(t, r, map[string]any{"integration": "crm", "path": "/x", "pagination": pagination}, nil))["body"].(map[string]any)
		if n := len(body["items"].([]any)); n != want || len(*got) != 3 {
			t.Errorf("%d items, %d requests", n, len(*got))
		}
	}
	wantError(t, perform(t, r, map[string]any{"integration": "plain", "path": "/x", "pagination": map[string]any{}}, nil), "expression", true)
}

// The integration's timeout holds for a step that sets none.
func TestIntegrationTimeout(t *testing.T) {
	s, _ := recorder(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	slow := newAccount(t, s.URL, "token-of-crm")
	slow.timeout = 20 * time.Millisecond
	r, _ := connected(t, map[string]*account{"crm": slow})
	out := perform(t, r, map[string]any{"integration": "crm", "path": "/x"}, nil)
	wantError(t, out, "timeout", false)
	if !strings.Contains(out.Err.Message, "20ms") {
		t.Error(out.Err)
	}
}
