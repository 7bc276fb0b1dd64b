package httpapi

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"paragon/engine/connect/users"
	"paragon/schema/api"
)

const publicURL = "http://paragon.test"

// withUsers gives the project a public key and users, each with a token of
// their own under their name.
func (r *rig) withUsers(ids ...string) {
	r.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		r.t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	want(r.t, r.do("admin", "PUT", base+"/user-keys/k1", `{"publicKey":`+quote(text)+`}`), 200, nil)
	for _, id := range ids {
		want(r.t, r.do("operator", "PUT", base+"/users/"+id, ""), 201, nil)
		token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": id, "aud": users.Audience("default"), "exp": r.now.Add(time.Hour).Unix()})
		token.Header["kid"] = "k1"
		if r.tokens[id], err = token.SignedString(key); err != nil {
			r.t.Fatal(err)
		}
	}
}

func TestUsersOverHTTP(t *testing.T) {
	r := newRig(t)
	r.withUsers("u_1", "u_2")
	var u api.User
	want(t, r.do("operator", "PUT", base+"/users/u_1", `{"meta":{"plan":"pro"}}`), 200, &u)
	if string(u.Meta) != `{"plan":"pro"}` {
		t.Errorf("%+v", u)
	}
	var page api.List[api.User]
	want(t, r.do("viewer", "GET", base+"/users?limit=1", ""), 200, &page)
	if len(page.Items) != 1 || page.NextCursor != "u_1" {
		t.Errorf("%+v", page)
	}
	page = api.List[api.User]{}
	want(t, r.do("viewer", "GET", base+"/users?cursor=u_1", ""), 200, &page)
	if len(page.Items) != 1 || page.Items[0].ID != "u_2" || page.NextCursor != "" {
		t.Errorf("%+v", page)
	}
	// A user's token is for the user's own routes.
	want(t, r.do("u_1", "GET", base+"/users/u_1", ""), 200, &u)
	wantProblem(t, r.do("u_1", "GET", base+"/users/u_2", ""), 404, "no user u_2")
	wantProblem(t, r.do("u_1", "GET", base+"/users/u_2/credentials", ""), 404, "no user u_2")
	wantProblem(t, r.do("u_1", "PUT", base+"/users/u_2/credentials/crm/default", "{}"), 404, "no user u_2")
	wantProblem(t, r.do("u_1", "DELETE", base+"/users/u_2/credentials/crm/default", ""), 404, "no user u_2")
	wantProblem(t, r.do("u_1", "POST", base+"/users/u_2/credentials/crm/default/connect", ""), 404, "no user u_2")
	for _, call := range []string{"PUT /users/u_1", "DELETE /users/u_1", "GET /users", "GET /user-keys", "PUT /user-keys/k2", "GET /runs", "GET /workflows", "POST /apply",
		"GET /credentials", "PUT /credentials/crm/default", "GET /audit", "POST /keys"} {
		method, path, _ := strings.Cut(call, " ")
		wantProblem(t, r.do("u_1", method, base+path, ""), 401, "does not count here")
	}
	wantProblem(t, r.do("u_1", "GET", "/v1/projects/elsewhere/users/u_1", ""), 401, "no public key")
	wantProblem(t, r.do("u_1", "GET", base+"/users/u_1", "", api.HeaderUser, "u_2"), 403, "another user")
	wantProblem(t, r.do("operator", "GET", base+"/users/u_1", "", api.HeaderUser, "nobody"), 404, "no user nobody")
	wantProblem(t, r.do("operator", "GET", base+"/users/u_1", "", api.HeaderUser, "a b"), 400, "does not hold")
	wantProblem(t, r.do("operator", "GET", base+"/users/u_1", "", api.HeaderAccount, "A"), 400, "does not hold")
	want(t, r.do("operator", "PUT", base+"/users/u_2", `{"disabled":true}`), 200, nil)
	wantProblem(t, r.do("u_2", "GET", base+"/users/u_2", ""), 403, "disabled")
	wantProblem(t, r.do("operator", "GET", base+"/users/u_1", "", api.HeaderUser, "u_2"), 403, "disabled")
	want(t, r.do("operator", "DELETE", base+"/users/u_2", ""), 204, nil)
	wantProblem(t, r.do("u_2", "GET", base+"/users/u_2", ""), 401, "does not exist")
	wantProblem(t, r.do("admin", "PUT", base+"/user-keys/k2", `{"publicKey":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}`), 422, "private key")
	want(t, r.do("admin", "DELETE", base+"/user-keys/k1", ""), 204, nil)
	wantProblem(t, r.do("u_1", "GET", base+"/users/u_1", ""), 401, "no public key")
	var records api.List[api.AuditRecord]
	want(t, r.do("admin", "GET", base+"/audit?action=authenticate", ""), 200, &records)
	if len(records.Items) == 0 || strings.Contains(r.log.String(), r.tokens["u_1"]) {
		t.Errorf("%d refused tokens in the audit log, or a token in the log", len(records.Items))
	}
}

// visit calls the server as a browser does, with the cookies of its jar.
func (r *rig) visit(jar http.CookieJar, link string) *httptest.ResponseRecorder {
	r.t.Helper()
	u, err := url.Parse(link)
	if err != nil || !strings.HasPrefix(link, publicURL+"/oauth/") {
		r.t.Fatalf("the link is %q", link)
	}
	req := httptest.NewRequest("GET", u.RequestURI(), nil)
	for _, c := range jar.Cookies(u) {
		req.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	r.server.ServeHTTP(rec, req)
	jar.SetCookies(u, rec.Result().Cookies())
	return rec
}

// consentAt logs ada in at the provider and returns where the browser is sent
// back to.
func consentAt(t *testing.T, issuer, to string) string {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), publicURL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	defer browser.CloseIdleConnections()
	send := func(method, to string, form url.Values) *http.Response {
		req, err := http.NewRequestWithContext(context.Background(), method, to, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return res
	}
	page := send(http.MethodGet, to, nil)
	back := send(http.MethodPost, issuer+"/login/username", url.Values{"username": {"ada"}, "password": {"pw-ada"}, "id": {page.Request.URL.Query().Get("authRequestID")}})
	return back.Header.Get("Location")
}

func TestConsentInABrowser(t *testing.T) {
	r := newRig(t)
	idp := provider(t)
	storage.RegisterClients(storage.WebClient("crm-client", "s3cret", publicURL+"/oauth/callback"))
	r.withUsers("u_1", "u_2")
	r.apply(`
apiVersion: paragon/v1
kind: Integration
metadata: {name: crm}
spec:
  baseUrl: `+idp.URL+`
  auth:
    oauth2: {grant: authorizationCode, authorizationUrl: `+idp.URL+`/auth, tokenUrl: `+idp.URL+`/oauth/token, clientId: crm-client, clientSecret: {secret: CRM}, scopes: [openid, offline_access]}
`, "apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: CRM}\nspec: {value: s3cret}\n")
	const credentials = base + "/users/u_1/credentials"
	begin := func(role, path, body string) (begun api.Connecting) {
		t.Helper()
		want(t, r.do(role, "POST", path+"/crm/default/connect", body), 201, &begun)
		return begun
	}
	begun := begin("u_1", credentials, "")
	browser, _ := cookiejar.New(nil)
	rec := r.visit(browser, begun.URL)
	want(t, rec, 302, nil)
	if cookie := rec.Header().Get("Set-Cookie"); !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") || rec.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%v", rec.Header())
	}
	wantProblem(t, r.visit(browser, begun.URL), 400, "counts no longer")
	back := consentAt(t, idp.URL, rec.Header().Get("Location"))
	done := r.visit(browser, back)
	want(t, done, 200, nil)
	if !strings.Contains(done.Body.String(), "crm is connected") || !strings.HasPrefix(done.Header().Get("Content-Type"), "text/html") {
		t.Errorf("%s", done.Body)
	}
	wantProblem(t, r.visit(browser, back), 400, "counts no longer")
	var now api.Connecting
	want(t, r.do("u_1", "GET", base+"/connects/"+begun.ID, ""), 200, &now)
	if now.Status != api.ConnectDone {
		t.Errorf("%+v", now)
	}
	wantProblem(t, r.do("u_2", "GET", base+"/connects/"+begun.ID, ""), 404, "no authorization")
	var list api.List[api.Credential]
	want(t, r.do("u_1", "GET", credentials, ""), 200, &list)
	if len(list.Items) != 1 || list.Items[0].Status != "valid" || list.Items[0].UpdatedBy != "user/u_1" {
		t.Errorf("%+v", list)
	}
	want(t, r.do("u_1", "DELETE", credentials+"/crm/default", ""), 204, nil)

	// Another browser gets nowhere; a page of the product's is told how it went.
	begun = begin("operator", credentials, `{"returnTo":"https://app.example.org/done?tab=2"}`)
	rec = r.visit(browser, begun.URL)
	other, _ := cookiejar.New(nil)
	wantProblem(t, r.visit(other, consentAt(t, idp.URL, rec.Header().Get("Location"))), 422, "not the browser")
	begun = begin("operator", credentials, `{"returnTo":"https://app.example.org/done?tab=2"}`)
	rec = r.visit(browser, begun.URL)
	state := mustQuery(t, rec.Header().Get("Location")).Get("state")
	rec = r.visit(browser, publicURL+"/oauth/callback?state="+state+"&error=access_denied&error_description=%3Cb%3E")
	want(t, rec, 302, nil)
	if at := rec.Header().Get("Location"); at != "https://app.example.org/done?integration=crm&status=failed&tab=2" {
		t.Errorf("back at %s", at)
	}
	// The project's own, and a failure's page, whose text is the far side's.
	wantProblem(t, r.do("operator", "POST", base+"/credentials/crm/default/connect", ""), 403, "role operator")
	begun = begin("developer", base+"/credentials", "")
	rec = r.visit(browser, begun.URL)
	state = mustQuery(t, rec.Header().Get("Location")).Get("state")
	rec = r.visit(browser, publicURL+"/oauth/callback?state="+state+"&error=%3Cscript%3Ealert(1)%3C/script%3E")
	want(t, rec, 422, nil)
	if text := rec.Body.String(); strings.Contains(text, "<script>") || !strings.Contains(text, "not connected") {
		t.Error(text)
	}
	if log := r.log.String(); strings.Contains(log, state) || strings.Contains(log, "ticket=") {
		t.Error("the log has a state or a ticket")
	}
}

func mustQuery(t *testing.T, link string) url.Values {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
