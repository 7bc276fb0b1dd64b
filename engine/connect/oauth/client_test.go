package oauth

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"paragon/engine/outbound"
	"paragon/workflows/exchange"
)

// asked is what a token endpoint was asked with.
type asked struct {
	form   url.Values
	user   string
	secret string
	basic  bool
}

// server answers each request for a token with the next of the answers, and
// notes what it was asked.
func server(t *testing.T, answers ...func(w http.ResponseWriter)) (*Client, *exchange.Client, *[]asked) {
	t.Helper()
	var got []asked
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		a := asked{form: r.PostForm}
		a.user, a.secret, a.basic = r.BasicAuth()
		got = append(got, a)
		answers[min(len(got), len(answers))-1](w)
	}))
	t.Cleanup(srv.Close)
	h := outbound.New(outbound.Settings{AllowLoopback: true})
	t.Cleanup(h.Close)
	return &Client{AuthorizationURL: srv.URL + "/auth?tenant=a", TokenURL: srv.URL + "/token", RevocationURL: srv.URL + "/revoke",
		ID: "the client", Secret: "s3cret/of the client", PKCE: true}, h, &got
}

func says(status int, media, body string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const tokenAnswer = `{"access_token":"a1","refresh_token":"r2","token_type":"Bearer","expires_in":3600}`

func TestAnswersOfTokenEndpoints(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   Token
		code   string // of a refusal
		err    string
	}{
		"plain":             {answer: says(200, "application/json", tokenAnswer), want: Token{"a1", "r2", time.Hour}},
		"seconds as a text": {answer: says(200, "application/json", `{"access_token":"a1","expires_in":"60"}`), want: Token{"a1", "", time.Minute}},
		"no end":            {answer: says(200, "application/json", `{"access_token":"a1"}`), want: Token{"a1", "", 0}},
		"no end in years":   {answer: says(200, "application/json", `{"access_token":"a1","expires_in":1e300}`), want: Token{"a1", "", longestLife}},
		"a negative end":    {answer: says(200, "application/json", `{"access_token":"a1","expires_in":-5}`), want: Token{"a1", "", 0}},
		"as a form":         {answer: says(200, "application/x-www-form-urlencoded; charset=utf-8", "access_token=a1&refresh_token=r2&expires_in=60"), want: Token{"a1", "r2", time.Minute}},
		"refused":           {answer: says(400, "application/json", `{"error":"invalid_grant","error_description":"gone"}`), code: "invalid_grant", err: "invalid_grant gone"},
		"refused with 200":  {answer: says(200, "application/json", `{"ok":false,"error":"token_revoked"}`), code: "token_revoked", err: "token_revoked"},
		"an echo":           {answer: says(400, "application/json", `{"error":"invalid_grant","error_description":"no r1-the-old-one\u0007"}`), code: "invalid_grant", err: "no ***"},
		"no JSON":           {answer: says(200, "text/html", "<html>"), err: "not the JSON"},
		"no token":          {answer: says(200, "application/json", `{}`), err: "no access_token"},
		"a line break":      {answer: says(200, "application/json", `{"access_token":"a\r\nX: y"}`), err: "can't be sent"},
		"too long":          {answer: says(200, "application/json", `{"access_token":"`+strings.Repeat("a", longestToken+1)+`"}`), err: "can't be sent"},
		"away":              {answer: says(503, "text/plain", "away"), err: "503"},
		"limited":           {answer: says(429, "application/json", `{"error":"rate_limited"}`), err: "429"},
		"busy":              {answer: says(400, "application/json", `{"error":"temporarily_unavailable"}`), err: "temporarily_unavailable"},
		"a redirect": {answer: func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://example.org/")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, err: "307"},
	} {
		t.Run(name, func(t *testing.T) {
			c, h, got := server(t, test.answer)
			token, err := c.Refresh(t.Context(), h, "r1-the-old-one")
			var refused *RefusedError
			switch {
			case test.err == "" && (err != nil || *token != test.want):
				t.Errorf("%+v %v", token, err)
			case test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "r1-the-old-one") || strings.Contains(err.Error(), "\a")):
				t.Errorf("%v", err)
			case errors.As(err, &refused) != (test.code != "") || refused != nil && refused.Code != test.code:
				t.Errorf("%#v", err)
			}
			if len(*got) != 1 || (*got)[0].form.Get("grant_type") != "refresh_token" || (*got)[0].form.Get("refresh_token") != "r1-the-old-one" {
				t.Errorf("asked %+v", *got)
			}
		})
	}
}

// The secret goes where the client says; else into the header, and once more into
// the body where only that refused the client.
func TestWhereTheSecretGoes(t *testing.T) {
	no := says(401, "application/json", `{"error":"invalid_client"}`)
	yes := says(200, "application/json", tokenAnswer)
	for name, test := range map[string]struct {
		auth    string
		answers []func(http.ResponseWriter)
		basic   []bool
		fails   bool
	}{
		"unsaid, taken":   {"", []func(http.ResponseWriter){yes}, []bool{true}, false},
		"unsaid, refused": {"", []func(http.ResponseWriter){no, yes}, []bool{true, false}, false},
		"basic, refused":  {AuthBasic, []func(http.ResponseWriter){no}, []bool{true}, true},
		"post":            {AuthPost, []func(http.ResponseWriter){yes}, []bool{false}, false},
	} {
		c, h, got := server(t, test.answers...)
		c.Auth = test.auth
		_, err := c.Exchange(t.Context(), h, "c1", "https://paragon.test/oauth/callback", "v1")
		if (err != nil) != test.fails || len(*got) != len(test.basic) {
			t.Fatalf("%s: %v, asked %d times", name, err, len(*got))
		}
		for i, a := range *got {
			inBody := a.form.Get("client_secret") == c.Secret && a.form.Get("client_id") == c.ID
			if a.basic != test.basic[i] || inBody == a.basic || a.basic && a.secret != url.QueryEscape(c.Secret) {
				t.Errorf("%s: request %d is %+v", name, i, a)
			}
			if a.form.Get("code") != "c1" || a.form.Get("code_verifier") != "v1" || a.form.Get("redirect_uri") == "" {
				t.Errorf("%s: request %d lacks something: %v", name, i, a.form)
			}
		}
	}
	c, h, got := server(t, yes)
	c.Secret, c.TokenParams, c.Scopes = "", map[string]string{"audience": "crm"}, []string{"a", "b"}
	if _, err := c.ClientCredentials(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if f := (*got)[0].form; f.Get("client_id") != c.ID || f.Has("client_secret") || f.Get("audience") != "crm" || f.Get("scope") != "a b" {
		t.Errorf("a public client sends %v", f)
	}
	if err := c.Revoke(t.Context(), h, "r1", "refresh_token"); err != nil || (*got)[1].form.Get("token") != "r1" {
		t.Errorf("%v %+v", err, *got)
	}
	c.RevocationURL = ""
	if err := c.Revoke(t.Context(), h, "r1", ""); err != nil || len(*got) != 2 {
		t.Errorf("without an endpoint: %v", err)
	}
}

func TestAuthorizeURL(t *testing.T) {
	c, _, _ := server(t, says(200, "application/json", "{}"))
	c.Scopes, c.ScopeSeparator, c.AuthorizationParams = []string{"a", "b"}, ",", map[string]string{"prompt": "consent", "state": "theirs"}
	text, err := c.AuthorizeURL("https://paragon.test/oauth/callback", "s1", NewVerifier())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"tenant": "a", "prompt": "consent", "state": "s1", "scope": "a,b", "client_id": "the client", "response_type": "code", "code_challenge_method": "S256"} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	c.PKCE = false
	if text, err = c.AuthorizeURL("r", "s", "v"); err != nil || strings.Contains(text, "code_challenge") {
		t.Errorf("%s %v", text, err)
	}
}
