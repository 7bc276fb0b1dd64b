package chaos_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
)

// issuer is a certified authorization server (zitadel/oidc's), which takes each
// refresh token once and ends the access token of before. Its /userinfo is the API
// that tokens are for.
type issuer struct {
	t       testing.TB
	url     string
	storage *storage.Storage
	// refreshes counts the requests with a refresh token.
	refreshes atomic.Int64
}

// persons are who has an account at the issuer.
type persons map[string]*storage.User

func (p persons) GetUserByID(id string) *storage.User         { return p[id] }
func (p persons) GetUserByUsername(name string) *storage.User { return p[name] }
func (persons) ExampleClientID() string                       { return "service" }

const clientSecret = "s3cret-of-the-client"

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	before := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // it logs each request there
	t.Cleanup(func() { slog.SetDefault(before) })
	storage.RegisterClients(storage.WebClient("paragon", clientSecret, "http://paragon.test/oauth/callback"))
	i := &issuer{t: t, storage: storage.NewStorage(persons{"ada": {ID: "ada", Username: "ada"}, "bea": {ID: "bea", Username: "bea"}})}
	srv := httptest.NewUnstartedServer(nil)
	i.url = "http://" + srv.Listener.Addr().String()
	inner := exampleop.SetupServer(i.url, i.storage, nil, false)
	srv.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" && r.FormValue("grant_type") == "refresh_token" {
			i.refreshes.Add(1)
		}
		inner.ServeHTTP(w, r)
	})
	srv.Start()
	t.Cleanup(srv.Close)
	return i
}

// consent is a refresh token, as the consent of a person gives the client one.
func (i *issuer) consent(person string) string {
	i.t.Helper()
	_, refresh, _, err := i.storage.CreateAccessAndRefreshTokens(i.t.Context(),
		&storage.AuthRequest{ApplicationID: "paragon", UserID: person, Scopes: []string{"openid", "offline_access"}}, "")
	if err != nil {
		i.t.Fatal(err)
	}
	return refresh
}

// integration is the API, and a workflow that calls it for its user.
func (i *issuer) integration() string {
	return `
apiVersion: paragon/v1
kind: Secret
metadata: {name: CRM_CLIENT}
spec: {value: ` + clientSecret + `}
---
apiVersion: paragon/v1
kind: Integration
metadata: {name: crm}
spec:
  baseUrl: ` + i.url + `
  auth:
    oauth2:
      grant: authorizationCode
      authorizationUrl: ` + i.url + `/auth
      tokenUrl: ` + i.url + `/oauth/token
      clientId: paragon
      clientSecret: {secret: CRM_CLIENT}
      scopes: [openid, offline_access]
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: calls}
spec:
  users: {default: enabled}
  steps: [{id: who, request: {integration: crm, path: /userinfo}}]
  output: "${{ steps.who.body.sub }}"
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: told}
spec:
  triggers: [{id: lost, event: {name: paragon.credential.invalid}}]
  steps: [{id: note, set: {user: "${{ event.data.user }}"}}]
`
}
