package daemon_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"paragon/schema/api"
)

// signer makes tokens of users as the product does.
type signer struct {
	t   *testing.T
	kid string
	key ed25519.PrivateKey
}

// newSigner gives the project the public key of a new one.
func (d *dev) newSigner(t *testing.T, kid string) *signer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if _, err := d.PutUserKey(t.Context(), kid, api.PutUserKeyRequest{PublicKey: text}); err != nil {
		t.Fatal(err)
	}
	return &signer{t: t, kid: kid, key: private}
}

// token is one of a user's that ends after a time.
func (s *signer) token(user string, life time.Duration) string {
	s.t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"sub": user, "aud": "paragon/default", "exp": time.Now().Add(life).Unix()})
	token.Header["kid"] = s.kid
	text, err := token.SignedString(s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// A user's own token calls with that user's credentials alone, one of several by
// the account that a header names; it ends with its time, its key and its user.
func TestUsersTokensChooseAnAccount(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.integration("crm", `{baseUrl: FAR/anything, auth: {bearer: {}}}`)
	for _, id := range []string{"u_1", "u_2"} {
		if _, err := d.PutUser(t.Context(), id, api.PutUserRequest{}); err != nil {
			t.Fatal(err)
		}
		for _, account := range []string{"default", "work"} {
			if _, err := d.PutCredential(t.Context(), id, "crm", account, api.PutCredentialRequest{
				Bearer: &api.BearerCredential{Token: account + "-of-" + id}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	old := d.newSigner(t, "2026")
	calls := func(what, token string, header http.Header, want int, credential string) {
		t.Helper()
		mine := d.as(token)
		resp, body := mine.callThrough("crm", "GET", "/x", "", header)
		var got struct{ Headers http.Header }
		if resp.StatusCode == 200 {
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
		}
		if resp.StatusCode != want || want == 200 && got.Headers.Get("Authorization") != "Bearer "+credential {
			t.Errorf("%s: %d with %v; want %d with %s", what, resp.StatusCode, got.Headers["Authorization"], want, credential)
		}
	}
	own := old.token("u_1", time.Hour)
	calls("their own", own, nil, 200, "default-of-u_1")
	calls("by account", own, http.Header{"Paragon-Account": {"work"}}, 200, "work-of-u_1")
	calls("an account that is not there", own, http.Header{"Paragon-Account": {"home"}}, 409, "")
	calls("no name of an account", own, http.Header{"Paragon-Account": {"../work"}}, 400, "")
	calls("themselves by name", own, http.Header{"Paragon-User": {"u_1"}, "Paragon-Account": {"work"}}, 200, "work-of-u_1")
	calls("another user", own, http.Header{"Paragon-User": {"u_2"}}, 403, "")
	calls("a key, for whom it names", d.Token, http.Header{"Paragon-User": {"u_2"}, "Paragon-Account": {"work"}}, 200, "work-of-u_2")
	calls("nobody's", old.token("u_9", time.Hour), nil, 401, "")

	// Clocks differ by a minute at most.
	calls("just ended", old.token("u_1", -30*time.Second), nil, 200, "default-of-u_1")
	calls("ended", old.token("u_1", -5*time.Minute), nil, 401, "")

	// Another key comes beside the old one, and then the old one goes.
	fresh := d.newSigner(t, "2027")
	calls("the new key", fresh.token("u_2", time.Hour), nil, 200, "default-of-u_2")
	calls("the old one still", own, nil, 200, "default-of-u_1")
	if err := d.DeleteUserKey(t.Context(), "2026"); err != nil {
		t.Fatal(err)
	}
	calls("the old one no more", own, nil, 401, "")
	calls("the new one's name on the old one's token", (&signer{t: t, kid: "2027", key: old.key}).token("u_1", time.Hour), nil, 401, "")

	// A user who is disabled, or gone, has no token.
	yes := true
	if _, err := d.PutUser(t.Context(), "u_2", api.PutUserRequest{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	calls("disabled", fresh.token("u_2", time.Hour), nil, 403, "")
	calls("disabled, by a key", d.Token, http.Header{"Paragon-User": {"u_2"}}, 403, "")
	if err := d.DeleteUser(t.Context(), "u_2"); err != nil {
		t.Fatal(err)
	}
	calls("deleted", fresh.token("u_2", time.Hour), nil, 401, "")

	// A step says the account itself.
	d.integration("door", `{baseUrl: FAR/basic-auth, auth: {basic: {}}}`)
	for account, password := range map[string]string{"default": "one", "work": "two"} {
		if _, err := d.PutCredential(t.Context(), "u_1", "door", account, api.PutCredentialRequest{Basic: &api.BasicCredential{Username: "u", Password: password}}); err != nil {
			t.Fatal(err)
		}
	}
	d.apply("enter", `
users: {default: enabled}
steps:
  - {id: usual, request: {integration: door, path: /u/one}}
  - {id: work, request: {integration: door, account: work, path: /u/two}}
  - {id: none, onError: continue, request: {integration: door, account: home, path: /u/two}}
output: ["${{ steps.usual.status }}", "${{ steps.work.status }}", "${{ steps.none.error.type }}"]
`)
	run, err := d.Trigger(t.Context(), "enter", api.TriggerRequest{User: "u_1"}, 30*time.Second)
	if err != nil || string(run.Output) != `[200,200,"credential"]` {
		t.Errorf("the run: %+v %v", run, err)
	}
}
