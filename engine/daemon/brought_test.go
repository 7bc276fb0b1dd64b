package daemon_test

import (
	"strings"
	"testing"
	"time"

	"paragon/schema/api"
)

// brought are the credentials that users and the project bring, which are no
// secrets of the project's.
var brought = map[string]string{
	"key of the project": "br0ught/of+the \"project\" <&>?~",
	"key of a user":      "br0ught/of+the \"user\" <&>?~",
	"access token":       "acc3ss/t0ken+of~the.user=",
	"refresh token":      "r3fresh/t0ken+of~the.user=",
}

// bring gives the project and a user a credential for the integration keyed, and
// the user tokens for another one, of which the access token has ended.
func (d *dev) bring() {
	d.t.Helper()
	ctx := d.t.Context()
	must := func(err error) {
		d.t.Helper()
		if err != nil {
			d.t.Fatal(err)
		}
	}
	_, err := d.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "integrations.yaml", Content: strings.ReplaceAll(`
apiVersion: paragon/v1
kind: Integration
metadata: {name: keyed}
spec: {baseUrl: FAR, auth: {apiKey: {header: X-Key}}}
---
apiVersion: paragon/v1
kind: Integration
metadata: {name: consented}
spec:
  baseUrl: FAR
  auth: {oauth2: {grant: authorizationCode, authorizationUrl: FAR/auth, tokenUrl: FAR/anything/token, clientId: c}}
`, "FAR", d.FarSide)}}}, api.ApplyOptions{})
	must(err)
	_, err = d.PutUser(ctx, "u_1", api.PutUserRequest{Meta: []byte(`{"plan":"pro"}`)})
	must(err)
	for user, key := range map[string]string{"": "key of the project", "u_1": "key of a user"} {
		_, err = d.PutCredential(ctx, user, "keyed", api.DefaultAccount, api.PutCredentialRequest{APIKey: &api.KeyCredential{Key: brought[key]}})
		must(err)
	}
	for _, user := range []string{"", "u_1"} {
		_, err = d.PutCredential(ctx, user, "consented", api.DefaultAccount, api.PutCredentialRequest{OAuth2: &api.TokenCredential{
			AccessToken: brought["access token"], RefreshToken: brought["refresh token"], ExpiresAt: time.Now().Add(-time.Minute)}})
		must(err)
	}
}

// broughtIsNowhere checks that no credential is in a text, in any form.
func broughtIsNowhere(t testing.TB, where, text string) {
	t.Helper()
	for name, value := range brought {
		for _, form := range append([]string{value}, formsOf(value)...) {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s shows the %s as %q: …%q…", where, name, form, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}
