package daemon_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// as is the same, for calls through the proxy with another token.
func (d *dev) as(token string) *dev {
	other := *d
	other.caller = token
	return &other
}

// callThrough sends a request through the proxy and returns the answer's status and
// body.
func (d *dev) callThrough(integration, method, path, body string, header http.Header) (*http.Response, string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method,
		"http://"+d.Addr().String()+"/v1/projects/default/integrations/"+integration+"/proxy"+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	token := d.caller
	if token == "" {
		token = d.Token
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp, string(text)
}

// A call through the proxy has the credential of whom it is for, and nothing of
// what was said to Paragon; it is in the list of calls and in the statistics.
func TestProxy(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.secret("CRM_TOKEN", "a-token-of-the-project")
	d.integration("crm", `{baseUrl: FAR/anything/v2, auth: {bearer: {token: {secret: CRM_TOKEN}}}}`)
	d.integration("inside", `{baseUrl: "http://169.254.169.254/latest", auth: {none: {}}}`)
	if _, err := d.PutUser(t.Context(), "u_1", api.PutUserRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.PutCredential(t.Context(), "u_1", "crm", "default", api.PutCredentialRequest{Bearer: &api.BearerCredential{Token: "a-token-of-u1"}}); err != nil {
		t.Fatal(err)
	}
	type echo struct {
		Method, URL, Data string
		Headers           http.Header
	}
	for _, tt := range []struct{ user, want string }{{"", "Bearer a-token-of-the-project"}, {"u_1", "Bearer a-token-of-u1"}} {
		header := http.Header{"Content-Type": {"text/plain"}, "X-Own": {"kept"}, "Connection": {"X-Hop"}, "X-Hop": {"dropped"}}
		if tt.user != "" {
			header.Set("Paragon-User", tt.user)
		}
		resp, body := d.callThrough("crm", "POST", "/contacts?limit=10", "hello", header)
		var got echo
		if err := json.Unmarshal([]byte(body), &got); resp.StatusCode != 200 || err != nil {
			t.Fatalf("%d: %s", resp.StatusCode, body)
		}
		if got.Method != "POST" || !strings.HasSuffix(got.URL, "/anything/v2/contacts?limit=10") || got.Data != "hello" {
			t.Errorf("the far side saw %+v", got)
		}
		if auth := got.Headers["Authorization"]; !slices.Equal(auth, []string{tt.want}) {
			t.Errorf("user %q: the far side saw Authorization %v; want %s", tt.user, auth, tt.want)
		}
		if got.Headers.Get("X-Own") != "kept" || got.Headers.Get("X-Hop") != "" || got.Headers.Get("Paragon-User") != "" || strings.Contains(body, d.Token) {
			t.Errorf("the far side saw the headers %v", got.Headers)
		}
	}
	for _, tt := range []struct {
		integration, path string
		header            http.Header
		want              int
	}{
		{"crm", "/status/418", nil, 200}, // below the base URL: /anything answers all
		{"crm", "/../../status/418", nil, 400},
		{"crm", "/%2e%2e/%2e%2e/status/418", nil, 400},
		{"crm", "/x", http.Header{"Paragon-User": {"u_2"}}, 404},
		{"inside", "/meta-data", nil, 502},
		{"nowhere", "/x", nil, 404},
	} {
		if resp, body := d.callThrough(tt.integration, "GET", tt.path, "", tt.header); resp.StatusCode != tt.want {
			t.Errorf("%s%s for %v: %d; want %d (%s)", tt.integration, tt.path, tt.header, resp.StatusCode, tt.want, body)
		}
	}
	var calls []schema.ProxyCall
	for deadline := time.Now().Add(30 * time.Second); len(calls) < 4 && time.Now().Before(deadline); {
		page, err := d.ProxyCalls(t.Context(), api.ProxyCallsQuery{})
		if err != nil {
			t.Fatal(err)
		}
		calls = page.Items
	}
	if !slices.ContainsFunc(calls, func(c schema.ProxyCall) bool {
		return c.Integration == "crm" && c.User == "u_1" && c.Method == "POST" && c.Status == 200
	}) {
		t.Errorf("the calls are %+v", calls)
	}
}
