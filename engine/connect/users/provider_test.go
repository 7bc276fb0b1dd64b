package users

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"paragon/engine/config"
	"paragon/engine/connect"
	"paragon/engine/outbound"
	"paragon/schema/api"
)

const publicURL = "http://paragon.test"

// people are the persons that the provider knows, by name.
type people map[string]*storage.User

func (p people) GetUserByID(id string) *storage.User         { return p[id] }
func (p people) GetUserByUsername(name string) *storage.User { return p[name] }
func (people) ExampleClientID() string                       { return "service" }

// provider is a certified authorization server (zitadel/oidc's), which rotates
// refresh tokens.
type provider struct {
	t       testing.TB
	url     string
	storage *storage.Storage
	// refreshes counts the requests with a refresh token; down answers them with 503.
	refreshes atomic.Int64
	down      atomic.Bool
	// hold, when it is set, is closed to let refreshes go on.
	mu   sync.Mutex
	hold chan struct{}
}

func newProvider(t testing.TB) *provider {
	t.Helper()
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // it logs each request there
	t.Cleanup(func() { slog.SetDefault(before) })
	storage.RegisterClients(storage.WebClient("paragon", "s3cret-of-the-client", publicURL+"/oauth/callback"))
	p := &provider{t: t, storage: storage.NewStorage(people{"ada": {ID: "ada", Username: "ada", Password: "pw", Email: "ada@example.org", EmailVerified: true}})}
	srv := httptest.NewUnstartedServer(nil)
	p.url = "http://" + srv.Listener.Addr().String()
	inner := exampleop.SetupServer(p.url, p.storage, nil, false)
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" && r.FormValue("grant_type") == "refresh_token" {
			p.refreshes.Add(1)
			p.mu.Lock()
			hold := p.hold
			p.mu.Unlock()
			if hold != nil {
				<-hold
			}
			if p.down.Load() {
				http.Error(w, "away", http.StatusServiceUnavailable)
				return
			}
		}
		inner.ServeHTTP(w, r)
	})
	srv.Start()
	t.Cleanup(srv.Close)
	return p
}

// document is the integration of the provider, with its client's secret.
func (p *provider) document() string {
	return `
apiVersion: paragon/v1
kind: Integration
metadata: {name: crm}
spec:
  baseUrl: ` + p.url + `
  auth:
    oauth2:
      grant: authorizationCode
      authorizationUrl: ` + p.url + `/auth
      tokenUrl: ` + p.url + `/oauth/token
      revocationUrl: ` + p.url + `/revoke
      clientId: paragon
      clientSecret: {secret: CRM_CLIENT}
      scopes: [openid, offline_access]
  settings: {type: object, properties: {region: {type: string, enum: [eu, us]}}}
---
apiVersion: paragon/v1
kind: Secret
metadata: {name: CRM_CLIENT}
spec: {value: s3cret-of-the-client}
`
}

// apply applies documents and waits until the cache has them.
func (r *rig) apply(docs string) {
	r.t.Helper()
	before := r.cache.Version()
	_, err := r.config.Apply(context.Background(), config.System, project, api.ApplyRequest{Files: []api.File{{Name: "t.yaml", Content: docs}}}, config.ApplyOptions{})
	r.must(err)
	r.soon("the configuration is there", func() bool { return r.cache.Version() > before })
}

// process is one more process: a book and a lender.
func (r *rig) process() *Lender {
	r.t.Helper()
	client := outbound.New(outbound.Settings{AllowLoopback: true})
	l := NewLender(r.book(), client)
	r.t.Cleanup(func() { l.Close(); client.Close() })
	return l
}

// consenting is a service whose OAuth2 works.
func (r *rig) consenting(change ...func(*Options)) *Service {
	r.t.Helper()
	client := outbound.New(outbound.Settings{AllowLoopback: true})
	r.t.Cleanup(client.Close)
	return r.service(append(change, func(o *Options) { o.HTTP, o.PublicURL = client, publicURL })...)
}

// connected is a provider, and a service where u_1 has connected an account
// there.
func (r *rig) connected(change ...func(*Options)) (*provider, *Service) {
	r.t.Helper()
	idp := newProvider(r.t)
	r.apply(idp.document())
	s := r.consenting(change...)
	r.user(s, "u_1")
	r.connect(s, idp, placeOfU1)
	return idp, s
}

// consent logs in at the provider and allows, as a person in a browser does, and
// returns the query that the provider sends the browser back with.
func (p *provider) consent(to string) url.Values {
	p.t.Helper()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), publicURL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	defer browser.CloseIdleConnections()
	page := p.visit(browser, http.MethodGet, to, nil)
	id := page.Request.URL.Query().Get("authRequestID")
	if id == "" {
		p.t.Fatalf("no login page at %s: %s", page.Request.URL, page.Status)
	}
	back := p.visit(browser, http.MethodPost, p.url+"/login/username", url.Values{"username": {"ada"}, "password": {"pw"}, "id": {id}})
	at, err := url.Parse(back.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(at.String(), publicURL+"/oauth/callback") {
		p.t.Fatalf("the provider sends the browser to %q: %s", at, back.Status)
	}
	return at.Query()
}

func (p *provider) visit(browser *http.Client, method, to string, form url.Values) *http.Response {
	p.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, to, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := browser.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res
}

// works tells whether the provider takes an access token.
func (p *provider) works(token string) bool {
	p.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url+"/userinfo", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	return res.StatusCode == http.StatusOK
}

// connect lets a user consent, and fails the test unless that works.
func (r *rig) connect(s *Service, p *provider, place Place) {
	r.t.Helper()
	ctx := context.Background()
	begun, err := s.Connect(ctx, ada, place, api.ConnectRequest{})
	r.must(err)
	to, cookie, err := s.StartFlow(ctx, project, "crm", ticketOf(r.t, begun.URL))
	r.must(err)
	q := p.consent(to)
	out, err := s.FinishFlow(ctx, q.Get("state"), q.Get("code"), q.Get("error"), cookie)
	r.must(err)
	r.must(out.Err)
}

func ticketOf(t testing.TB, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil || u.Path != "/oauth/default/crm/start" || u.Query().Get("ticket") == "" {
		t.Fatalf("the link is %s", link)
	}
	return u.Query().Get("ticket")
}

var (
	callerOfU1 = connect.Caller{Project: project, Integration: "crm", User: "u_1"}
	placeOfU1  = Place{Project: project, User: "u_1", Integration: "crm", Account: "default"}
)
