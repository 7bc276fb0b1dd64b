package connect

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"paragon/schema"
	"paragon/workflows"
)

func TestAuthorize(t *testing.T) {
	config := configured(t, integration("open", `{baseUrl: "https://open.example.com", headers: {X-Version: "2"}}`)+
		integration("basic", `{baseUrl: "https://api.example.com/v1", auth: {basic: {username: me, password: {secret: PASSWORD}}}}`)+
		integration("bearer", `{baseUrl: "https://api.example.com:8443/v1", auth: {bearer: {token: {secret: TOKEN}}}}`)+
		integration("header", `{baseUrl: "https://api.example.com", auth: {apiKey: {header: X-Key, prefix: "Key ", key: {secret: TOKEN}}}}`)+
		integration("query", `{baseUrl: "https://api.example.com", auth: {apiKey: {query: key, key: {secret: ODD}}}}`),
		map[string]string{"PASSWORD": "opensesame", "TOKEN": "tok-123456", "ODD": "a&b=c d"})
	c := New(Options{Config: config})
	for _, tt := range []struct{ integration, path, header, want, url, secret string }{
		{"open", "/x", "X-Version", "2", "https://open.example.com/x", ""},
		{"basic", "/x", "Authorization", "Basic bWU6b3BlbnNlc2FtZQ==", "https://api.example.com/v1/x", "bWU6b3BlbnNlc2FtZQ=="},
		{"bearer", "x?a=b", "Authorization", "Bearer tok-123456", "https://api.example.com:8443/v1/x?a=b", "tok-123456"},
		{"header", "/x", "X-Key", "Key tok-123456", "https://api.example.com/x", "tok-123456"},
		{"query", "/x?a=b&key=mine&k%65y=mine", "", "", "https://api.example.com/x?key=a%26b%3Dc+d&a=b", "a%26b%3Dc+d"},
	} {
		target, err := c.Target(context.Background(), Caller{Project: schema.DefaultProject, Integration: tt.integration})
		if err != nil {
			t.Errorf("%s: %v", tt.integration, err)
			continue
		}
		u, err := target.URL(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Method: "GET", URL: u, Header: http.Header{"Authorization": {"Bearer of the caller"}}}
		if err := target.Authorize(r); err != nil {
			t.Fatalf("%s: %v", tt.integration, err)
		}
		if r.URL.String() != tt.url || tt.header != "" && r.Header.Get(tt.header) != tt.want {
			t.Errorf("%s: %s %v", tt.integration, r.URL, r.Header)
		}
		if tt.secret != "" && !strings.Contains(strings.Join(target.Secrets(), " "), tt.secret) {
			t.Errorf("%s: %q is not known as a secret: %q", tt.integration, tt.secret, target.Secrets())
		}
	}
}

// A credential goes to the scheme, host and port of its integration alone.
func TestAuthorizeOtherHosts(t *testing.T) {
	config := configured(t, integration("crm", `{baseUrl: "https://api.example.com/v1", headers: {X-Version: "2"}, auth: {bearer: {token: {secret: TOKEN}}}}`),
		map[string]string{"TOKEN": "tok-123456"})
	target, err := New(Options{Config: config}).Target(context.Background(), Caller{Project: schema.DefaultProject, Integration: "crm"})
	if err != nil {
		t.Fatal(err)
	}
	for _, good := range []string{"https://api.example.com/elsewhere", "https://API.example.com:443/v1", "https://api.example.com./v1"} {
		if err := target.Authorize(request(t, good, "")); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []struct{ url, host string }{
		{"http://api.example.com/v1", ""}, {"https://api.example.com:8443/v1", ""}, {"https://evil.example.com/v1", ""},
		{"https://api.example.com.evil.example/v1", ""}, {"https://user@api.example.com/v1", ""}, {"https://[::1]/v1", ""},
		{"https://api.example.com/v1", "evil.example.com"}, {"//api.example.com/v1", ""}, {"/v1", ""},
	} {
		r := request(t, bad.url, bad.host)
		if err := target.Authorize(r); ReasonOf(err) != ReasonHost {
			t.Errorf("%s %s: %v", bad.url, bad.host, err)
		}
		if len(r.Header) > 0 {
			t.Errorf("%s %s: %v", bad.url, bad.host, r.Header)
		}
	}
}

func request(t *testing.T, address, host string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	return r
}

// brought are credentials by user and account.
type brought map[string]*Credential

func (b brought) Credential(_ context.Context, who Caller, _ *workflows.Integration) (*Credential, error) {
	if c := b[who.User+"/"+who.Account]; c != nil {
		return c, nil
	}
	return nil, refuse(ReasonNoCredential, "nobody brought one")
}

func (b brought) Refresh(context.Context, Caller, *workflows.Integration, *Credential) (*Credential, error) {
	return &Credential{Token: "fresh-token"}, nil
}

func TestWhoseCredential(t *testing.T) {
	config := configured(t, integration("mail", `{baseUrl: "https://mail.example.com", auth: {bearer: {token: {secret: TOKEN}}}}`)+
		integration("crm", `{baseUrl: "https://${{ settings.shop }}.example.com/${{ settings.region }}", auth: {bearer: {}},
			settings: {type: object, required: [shop], properties: {shop: {type: string}, region: {type: string, default: eu}}}}`)+
		integration("lost", `{baseUrl: "https://mail.example.com", auth: {bearer: {token: {secret: GONE}}}}`)+
		integration("open", `{baseUrl: "https://mail.example.com"}`),
		map[string]string{"TOKEN": "shared-token"})
	c := New(Options{Config: config, Credentials: brought{
		"u1/":     {Token: "token-of-u1", Settings: map[string]any{"shop": "one"}},
		"u1/work": {Token: "token-of-work", Settings: map[string]any{"shop": "work", "region": "us"}},
		"u2/":     {Token: "token-of-u2", Settings: map[string]any{"shop": "evil.example/?"}},
		"u3/":     {Token: "token-of-u3"},
		"u4/":     {Token: "line\nbreak", Settings: map[string]any{"shop": "four"}},
	}})
	for _, tt := range []struct {
		who  Caller
		want string
		base string
	}{
		{Caller{Integration: "mail"}, "Bearer shared-token", "https://mail.example.com"},
		{Caller{Integration: "mail", User: "u1"}, "Bearer token-of-u1", "https://mail.example.com"},
		{Caller{Integration: "mail", User: "u9"}, "Bearer shared-token", "https://mail.example.com"},
		{Caller{Integration: "mail", User: "u9", Account: "x"}, string(ReasonNoCredential), ""},
		{Caller{Integration: "crm", User: "u1"}, "Bearer token-of-u1", "https://one.example.com/eu"},
		{Caller{Integration: "crm", User: "u1", Account: "work"}, "Bearer token-of-work", "https://work.example.com/us"},
		{Caller{Integration: "crm", User: "u1", Account: "home"}, string(ReasonNoCredential), ""},
		{Caller{Integration: "crm", User: "u2"}, string(ReasonInvalid), ""},
		{Caller{Integration: "crm", User: "u3"}, string(ReasonInvalid), ""},
		{Caller{Integration: "crm", User: "u4"}, string(ReasonInvalid), ""},
		{Caller{Integration: "crm"}, string(ReasonNoCredential), ""},
		{Caller{Integration: "lost"}, string(ReasonNoCredential), ""},
		{Caller{Integration: "open", User: "u9"}, "", "https://mail.example.com"},
		{Caller{Integration: "nothing"}, string(ReasonUnknown), ""},
		{Caller{Project: "other", Integration: "mail"}, string(ReasonUnavailable), ""},
	} {
		if tt.who.Project == "" {
			tt.who.Project = schema.DefaultProject
		}
		target, err := c.Target(context.Background(), tt.who)
		if tt.base == "" {
			if string(ReasonOf(err)) != tt.want {
				t.Errorf("%+v: %v", tt.who, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", tt.who, err)
			continue
		}
		r := request(t, target.Base.String(), "")
		if err := target.Authorize(r); err != nil || r.Header.Get("Authorization") != tt.want || target.Base.String() != tt.base {
			t.Errorf("%+v: %s %v, %v", tt.who, target.Base, r.Header, err)
		}
	}
}

// A token goes into the header that the API wants it in, and into no other.
func TestTokenHeader(t *testing.T) {
	const oauth = `{grant: authorizationCode, authorizationUrl: "https://shop.example.com/a", tokenUrl: "https://shop.example.com/t", clientId: c`
	config := configured(t, integration("usual", `{baseUrl: "https://shop.example.com", auth: {oauth2: `+oauth+`}}}`)+
		integration("shop", `{baseUrl: "https://shop.example.com", auth: {oauth2: `+oauth+`, tokenHeader: X-Shop-Token}}}`), nil)
	c := New(Options{Config: config, Credentials: brought{"u1/": {Token: "token-of-u1"}}})
	for name, want := range map[string]http.Header{
		"usual": {"Authorization": {"Bearer token-of-u1"}},
		"shop":  {"X-Shop-Token": {"token-of-u1"}},
	} {
		target, err := c.Target(context.Background(), Caller{Project: schema.DefaultProject, Integration: name, User: "u1"})
		if err != nil {
			t.Fatal(err)
		}
		r := request(t, "https://shop.example.com/x", "")
		if want["X-Shop-Token"] != nil {
			r.Header.Set("X-Shop-Token", "of-the-caller")
		}
		if err := target.Authorize(r); err != nil || !maps.EqualFunc(r.Header, want, slices.Equal) {
			t.Errorf("%s: %v, %v", name, r.Header, err)
		}
	}
}

func TestRefused(t *testing.T) {
	config := configured(t, integration("mail", `{baseUrl: "https://mail.example.com", auth: {bearer: {token: {secret: TOKEN}}}}`)+
		integration("open", `{baseUrl: "https://mail.example.com"}`), map[string]string{"TOKEN": "shared-token"})
	c := New(Options{Config: config, Credentials: brought{"u1/": {Token: "token-of-u1"}}})
	for who, want := range map[Caller]string{
		{Integration: "mail"}:             string(ReasonInvalid),
		{Integration: "open", User: "u2"}: string(ReasonNoCredential),
		{Integration: "mail", User: "u1"}: "Bearer fresh-token",
	} {
		who.Project = schema.DefaultProject
		target, err := c.Target(context.Background(), who)
		if err != nil {
			t.Fatal(err)
		}
		again, err := c.Refused(context.Background(), target)
		if err != nil {
			if string(ReasonOf(err)) != want {
				t.Errorf("%+v: %v", who, err)
			}
			continue
		}
		r := request(t, "https://mail.example.com", "")
		if err := again.Authorize(r); err != nil || r.Header.Get("Authorization") != want {
			t.Errorf("%+v: %v, %v", who, r.Header, err)
		}
	}
}
