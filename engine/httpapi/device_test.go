package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"paragon/engine/config"
	"paragon/engine/identity"
	"paragon/schema/api"
)

// people are the persons that the provider knows, by name. Its pages take the
// name for the id.
type people map[string]*storage.User

func (p people) GetUserByID(id string) *storage.User         { return p[id] }
func (p people) GetUserByUsername(name string) *storage.User { return p[name] }
func (people) ExampleClientID() string                       { return "service" }

// provider is an OpenID provider (zitadel/oidc's, certified) with its pages.
func provider(t *testing.T) *httptest.Server {
	t.Helper()
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // it logs each request there
	t.Cleanup(func() { slog.SetDefault(before) })
	storage.RegisterClients(storage.DeviceClient("paragon", "s3cret"))
	known := people{}
	for _, name := range []string{"ada", "bob", "eve"} {
		known[name] = &storage.User{ID: name, Username: name, Password: "pw-" + name, FirstName: strings.ToUpper(name), LastName: "L",
			Email: name + "@example.org", EmailVerified: name != "eve"}
	}
	srv := httptest.NewUnstartedServer(nil)
	issuer := "http://" + srv.Listener.Addr().String()
	srv.Config.Handler = exampleop.SetupServer(issuer, storage.NewStorage(known), nil, true)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

// withProvider lets people log in at the provider.
func (r *rig) withProvider(issuer string) {
	r.t.Helper()
	idp, err := identity.New(identity.Settings{Issuer: issuer, ClientID: "paragon", ClientSecret: "s3cret"})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(idp.Close)
	r.server.opts.Config = config.New(config.Options{Store: r.db, Redis: r.rdb, Keyring: r.keys, Identity: idp, Log: slog.New(slog.DiscardHandler)})
}

// answer is what a person does in a browser: types the code, logs in, and
// allows or denies.
func answerDevice(t *testing.T, issuer, code, name, action string) {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	defer browser.CloseIdleConnections()
	for _, step := range []struct {
		path string
		form url.Values
	}{
		{"/device/login", url.Values{"user_code": {code}, "username": {name}, "password": {"pw-" + name}}},
		{"/device/confirm", url.Values{"action": {action}}},
	} {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, issuer+step.path, strings.NewReader(step.form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || res.Request.URL.Query().Has("prompt") {
			t.Fatalf("%s: %s %s", step.path, res.Status, res.Request.URL)
		}
	}
}

func TestDeviceLogin(t *testing.T) {
	r := newRig(t)
	wantProblem(t, r.do("", "POST", "/v1/auth/device", ""), 404, "no OpenID provider")
	idp := provider(t)
	r.withProvider(idp.URL)
	begin := func() (login api.DeviceLogin, ask string) {
		want(t, r.do("", "POST", "/v1/auth/device", ""), 200, &login)
		return login, `{"deviceCode":` + quote(login.DeviceCode) + `}`
	}
	const token = "/v1/auth/device/token"

	// Who was not invited stays out, whatever the provider says.
	login, ask := begin()
	if login.UserCode == "" || !strings.HasPrefix(login.VerificationURI, idp.URL) || login.Interval < 1 {
		t.Fatalf("%+v", login)
	}
	var got api.DeviceAnswer
	want(t, r.do("", "POST", token, ask), 200, &got)
	if got.Status != api.DevicePending || got.Session != nil {
		t.Fatalf("%+v", got)
	}
	answerDevice(t, idp.URL, login.UserCode, "ada", "allowed")
	wantProblem(t, r.do("", "POST", token, ask), 401, "nobody has invited ada@example.org")

	// An invitation of the verified email is enough; no password is needed.
	want(t, r.do("owner", "POST", base+"/members", `{"email":"ada@example.org","role":"developer"}`), 201, nil)
	login, ask = begin()
	answerDevice(t, idp.URL, login.UserCode, "ada", "allowed")
	want(t, r.do("", "POST", token, ask), 200, &got)
	if got.Status != api.DeviceDone || got.Session == nil {
		t.Fatalf("%+v", got)
	}
	r.tokens["ada"] = got.Session.Token
	var who api.Identity
	want(t, r.do("ada", "GET", "/v1/whoami", ""), 200, &who)
	if who.Name != "ada@example.org" || who.Role != "developer" {
		t.Errorf("%+v", who)
	}
	// There is no password to log in with then, not even an empty one.
	wantProblem(t, r.do("", "POST", "/v1/auth/login", `{"email":"ada@example.org","password":"anything at all"}`), 401, "")

	// The next login needs no invitation; one that is denied, and an email that
	// nobody vouches for, are refused.
	login, ask = begin()
	answerDevice(t, idp.URL, login.UserCode, "ada", "allowed")
	want(t, r.do("", "POST", token, ask), 200, &got)
	login, ask = begin()
	answerDevice(t, idp.URL, login.UserCode, "bob", "denied")
	wantProblem(t, r.do("", "POST", token, ask), 401, "denied")
	want(t, r.do("owner", "POST", base+"/members", `{"email":"eve@example.org","role":"owner"}`), 201, nil)
	login, ask = begin()
	answerDevice(t, idp.URL, login.UserCode, "eve", "allowed")
	wantProblem(t, r.do("", "POST", token, ask), 401, "verified")
	wantProblem(t, r.do("", "POST", token, `{"deviceCode":"made-up"}`), 401, "")

	var page api.List[api.AuditRecord]
	want(t, r.do("owner", "GET", base+"/audit?action=login", ""), 200, &page)
	seen := map[string]int{}
	for _, rec := range page.Items {
		seen[rec.Actor+" "+rec.Outcome]++
	}
	if seen["ada@example.org done"] != 2 || seen["ada@example.org refused"] < 1 || seen["device refused"] != 3 {
		t.Errorf("%v", seen)
	}
}

func TestProviderAway(t *testing.T) {
	r := newRig(t)
	idp := provider(t)
	r.withProvider(idp.URL)
	idp.Close()
	rec := r.do("", "POST", "/v1/auth/device", "")
	wantProblem(t, rec, 503, "can't be asked")
	if rec.Header().Get("Retry-After") == "" {
		t.Error("it does not say when to come again")
	}
}
