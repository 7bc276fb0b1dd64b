package daemon_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-oauth2/oauth2/v4/server"

	"paragon/engine/connect"
	"paragon/engine/connect/users"
	"paragon/schema"
	"paragon/schema/api"
)

// integration applies an Integration given as its spec.
func (d *dev) integration(name, spec string) {
	d.t.Helper()
	content := "apiVersion: paragon/v1\nkind: Integration\nmetadata: {name: " + name + "}\nspec: " + strings.ReplaceAll(spec, "FAR", d.FarSide) + "\n"
	if _, err := d.Apply(d.t.Context(), api.ApplyRequest{Files: []api.File{{Name: name + ".yaml", Content: content}}}, api.ApplyOptions{}); err != nil {
		d.t.Fatalf("apply %s: %v", name, err)
	}
}

// Requests go to the integration that they name, with the credential that the
// project shares.
func TestIntegrationsEndToEnd(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.secret("PASSWORD", "pass word")
	d.secret("TOKEN", "an-integration-token")
	d.secret("CLIENT", "a-client-secret")
	d.integration("basic", `{baseUrl: FAR/basic-auth/bob, auth: {basic: {username: bob, password: {secret: PASSWORD}}}}`)
	d.integration("bearer", `{baseUrl: FAR, auth: {bearer: {token: {secret: TOKEN}}}, headers: {X-Version: "7"}}`)
	d.integration("key", `{baseUrl: FAR/anything, auth: {apiKey: {query: key, key: {secret: TOKEN}}}}`)
	d.integration("lost", `{baseUrl: FAR, auth: {bearer: {token: {secret: GONE}}}}`)
	other := serve(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
		answer(w, map[string]string{"authorization": r.Header.Get("Authorization")})
	}})
	d.apply("calls", strings.ReplaceAll(`
steps:
  - {id: basic, request: {integration: basic, path: /pass%20word}}
  - {id: bearer, request: {integration: bearer, path: /anything/here}}
  - {id: key, request: {integration: key, path: "/there", query: {a: b}}}
  - {id: away, request: {integration: bearer, path: /redirect-to, query: {url: "OTHER/"}}}
  - {id: lost, onError: continue, request: {integration: lost, path: /x}}
  - {id: climbs, onError: continue, request: {integration: basic, path: "/../../anything"}}
output:
  - "${{ steps.basic.body.authenticated }}"
  - "${{ steps.bearer.body.headers['X-Version'][0] }}"
  - "${{ steps.key.body.args.a[0] }}"
  - "${{ steps.away.body.authorization }}"
  - "${{ steps.lost.error.type }}"
  - "${{ steps.climbs.error.type }}"
`, "OTHER", other))
	run := d.succeed("calls", `null`, `[true,"7","b","","credential","expression"]`)
	steps, err := d.Steps(t.Context(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		for _, a := range s.Attempts {
			if a.Request != nil {
				for name, value := range a.Request.Headers {
					d.hidden("an-integration-token", name+": "+value)
				}
				d.hidden("an-integration-token", a.Request.URL)
			}
		}
	}

	url, tokens := oauth(t, "the-client", "a-client-secret", server.ClientFormHandler)
	d.integration("client", strings.ReplaceAll(`{baseUrl: OAUTH, auth: {oauth2: {grant: clientCredentials, tokenUrl: OAUTH/token,
    clientId: the-client, clientSecret: {secret: CLIENT}, scopes: [read, write], clientAuth: post}}}`, "OAUTH", url))
	d.integration("stranger", strings.ReplaceAll(`{baseUrl: OAUTH, auth: {oauth2: {grant: clientCredentials, tokenUrl: OAUTH/token,
    clientId: the-client, clientSecret: {secret: TOKEN}}}}`, "OAUTH", url))
	d.apply("tokens", `
steps:
  - {id: api, request: {integration: client, path: /api}}
  - {id: stranger, onError: continue, request: {integration: stranger, path: /api}}
output: ["${{ steps.api.body }}", "${{ steps.stranger.error.type }}"]
`)
	want := `[{"client":"the-client","scope":"read write"},"credential"]`
	d.succeed("tokens", `null`, want)
	d.succeed("tokens", `null`, want)
	if n := tokens.revoke(); n != 1 {
		t.Errorf("%d tokens were fetched for two runs, want 1", n)
	}
	d.succeed("tokens", `null`, want) // a token that the API refuses is replaced
	if n := tokens.revoke(); n != 2 {
		t.Errorf("%d tokens, want 2", n)
	}
}

// What a set needs of the project that it is applied in is told, and what it
// can't do without is an error.
func TestIntegrationReferences(t *testing.T) {
	d := startDev(t, t.TempDir())
	apply := func(release string, documents ...string) (*api.ApplyResult, error) {
		return d.Apply(t.Context(), api.ApplyRequest{Release: release, Files: []api.File{{Name: "all.yaml", Content: strings.Join(documents, "---\n")}}}, api.ApplyOptions{})
	}
	const (
		head  = "apiVersion: paragon/v1\nkind: "
		crm   = head + "Integration\nmetadata: {name: crm}\nspec:\n  baseUrl: https://api.example.com\n  auth:\n    oauth2: {grant: clientCredentials, tokenUrl: \"https://api.example.com/token\", clientId: {secret: CRM_ID}, clientSecret: {secret: CRM_SECRET}}\n"
		mail  = head + "Integration\nmetadata: {name: mail}\nspec: {baseUrl: \"https://mail.example.com\", auth: {bearer: {token: {secret: MAIL_TOKEN}}}}\n"
		sync  = head + "Workflow\nmetadata: {name: sync}\nspec: {steps: [{id: a, request: {integration: crm, path: /x}}, {id: b, request: {integration: crm, path: /y}}]}\n"
		other = head + "Workflow\nmetadata: {name: other}\nspec: {steps: [{id: a, request: {integration: nothing, path: /x}}]}\n"
	)
	codes := func(list []schema.Diagnostic) string {
		var out []string
		for _, w := range list {
			out = append(out, w.Code)
		}
		return strings.Join(out, " ")
	}
	if _, err := apply("", sync); err == nil || !strings.Contains(err.Error(), "uses integration crm, which does not exist") {
		t.Errorf("a workflow without its integration: %v", err)
	}
	if _, err := apply("", other, crm); err == nil {
		t.Error("a workflow of an unknown integration is applied")
	}
	result, err := apply("v1", crm, mail, sync)
	if err != nil {
		t.Fatal(err)
	}
	if got := codes(result.Warnings); got != "missing-client missing-secret" || !strings.Contains(result.Warnings[0].Message, "CRM_ID, CRM_SECRET do not exist") {
		t.Errorf("%s: %+v", got, result.Warnings)
	}
	// A release whose integration is there already is told the same.
	if result, err = apply("v2", sync); err != nil || codes(result.Warnings) != "missing-client" {
		t.Errorf("%+v, %v", result, err)
	}
	d.secret("CRM_ID", "id")
	d.secret("CRM_SECRET", "a-client-secret")
	d.secret("MAIL_TOKEN", "a-mail-token")
	if result, err = apply("v3", crm, mail, sync); err != nil || len(result.Warnings) > 0 {
		t.Errorf("%+v, %v", result, err)
	}
	for ref, user := range map[schema.Ref]string{
		{Kind: schema.KindIntegration, Name: "crm"}: "workflow sync", {Kind: schema.KindSecret, Name: "MAIL_TOKEN"}: "integration mail",
	} {
		if err := d.Delete(t.Context(), ref, api.DeleteOptions{}); err == nil || !strings.Contains(err.Error(), user) {
			t.Errorf("%s is deleted though %s uses it: %v", ref, user, err)
		}
	}
	if err := d.Delete(t.Context(), schema.Ref{Kind: schema.KindIntegration, Name: "mail"}, api.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

// A call for a user has that user's credential, and never another's.
func TestIntegrationsOfUsers(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.integration("crm", `{baseUrl: "FAR/anything/${{ settings.shop }}", auth: {bearer: {}}, settings: {type: object, required: [shop], properties: {shop: {type: string}}}}`)
	d.secret("MAIL_TOKEN", "a-token-of-mail")
	d.integration("mail", `{baseUrl: FAR/anything, auth: {bearer: {token: {secret: MAIL_TOKEN}}}}`)
	for _, id := range []string{"u1", "u2"} {
		if _, err := d.PutUser(t.Context(), id, api.PutUserRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ user, account, token, settings string }{
		{"u1", "default", "a-token-of-u1", `{"shop":"one"}`}, {"u1", "work", "a-token-of-work", `{"shop":"work"}`}, {"", "default", "a-token-of-the-project", `{"shop":"own"}`},
	} {
		if _, err := d.PutCredential(t.Context(), c.user, "crm", c.account, api.PutCredentialRequest{
			Bearer: &api.BearerCredential{Token: c.token}, Settings: json.RawMessage(c.settings)}); err != nil {
			t.Fatal(err)
		}
	}
	// A step of a run without a user has what the project brought.
	d.apply("ours", `
steps:
  - {id: crm, request: {integration: crm, path: /x}}
  - {id: mail, request: {integration: mail, path: /x}}
output: ["${{ steps.crm.body.headers.Authorization[0] }}", "${{ steps.mail.body.headers.Authorization[0] }}"]
`)
	// The API says the tokens again; the run does not.
	d.succeed("ours", `null`, `["Bearer ***","Bearer ***"]`)
	// What a step of a run for a user asks for.
	for _, tt := range []struct{ integration, user, account, path, want string }{
		{"crm", "", "", "/anything/own", "Bearer a-token-of-the-project"},
		{"mail", "", "", "/anything", "Bearer a-token-of-mail"},
		{"crm", "u1", "", "/anything/one", "Bearer a-token-of-u1"},
		{"crm", "u1", "work", "/anything/work", "Bearer a-token-of-work"},
		{"crm", "u2", "", "", string(connect.ReasonNoCredential)},
		{"crm", "u3", "", "", string(connect.ReasonNoUser)},
		{"mail", "u2", "", "/anything", "Bearer a-token-of-mail"},
	} {
		target, err := d.Targets().Target(t.Context(), connect.Caller{Project: schema.DefaultProject, Integration: tt.integration, User: tt.user, Account: tt.account})
		if tt.path == "" {
			if string(connect.ReasonOf(err)) != tt.want {
				t.Errorf("%+v: %v", tt, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		r := &http.Request{URL: target.Base, Header: http.Header{}}
		if err := target.Authorize(r); err != nil || r.URL.Path != tt.path || r.Header.Get("Authorization") != tt.want {
			t.Errorf("%+v: %s %v, %v", tt, r.URL, r.Header, err)
		}
	}
}

// A run for a user calls with that user's credential: the API lets in only who
// brings the name and the password that the path says.
func TestRunOfAUserHasTheirCredential(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.integration("door", `{baseUrl: FAR/basic-auth, auth: {basic: {}}}`)
	for _, id := range []string{"u1", "u2"} {
		if _, err := d.PutUser(t.Context(), id, api.PutUserRequest{}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.PutCredential(t.Context(), id, "door", "default", api.PutCredentialRequest{
			Basic: &api.BasicCredential{Username: id, Password: "pass-of-" + id}}); err != nil {
			t.Fatal(err)
		}
	}
	d.apply("enter", `
users: {default: enabled}
steps:
  - {id: own, request: {integration: door, path: "/${{ user.id }}/pass-of-${{ user.id }}"}}
  - {id: other, request: {integration: door, path: "/nobody/pass"}, onError: continue}
output: {own: "${{ steps.own.status }}", other: "${{ steps.other.error.status }}"}
`)
	for _, id := range []string{"u1", "u2"} {
		run, err := d.Trigger(t.Context(), "enter", api.TriggerRequest{User: id}, 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if run.User != id || string(run.Output) != `{"other":401,"own":200}` {
			t.Errorf("the run for %s: %s %s %+v", id, run.Status, run.Output, run.Error)
		}
	}
}

// A credential that became invalid is an event of the project, once.
func TestInvalidCredentialIsAnEvent(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.apply("tell", `
triggers: [{id: broken, event: {name: paragon.credential.invalid, if: "${{ event.data.integration == 'crm' }}"}}]
steps: [{id: what, set: {said: "${{ event.data.user + ': ' + event.data.reason }}"}}]
output: "${{ steps.what.said }}"
`)
	f := users.Failure{ID: "f-1", Place: users.Place{Project: schema.DefaultProject, User: "u_1", Integration: "crm", Account: "default"}, Reason: "invalid_grant", At: time.Now()}
	for range 2 {
		if err := d.CredentialFailed(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	var runs []schema.Run
	for deadline := time.Now().Add(30 * time.Second); len(runs) == 0 || !runs[0].Status.Ended(); {
		if time.Now().After(deadline) {
			t.Fatalf("the runs are %+v", runs)
		}
		page, err := d.Runs(t.Context(), api.RunsQuery{Workflow: "tell"})
		if err != nil {
			t.Fatal(err)
		}
		runs = page.Items
	}
	if len(runs) != 1 || string(runs[0].Output) != `"u_1: invalid_grant"` {
		t.Errorf("the event started %+v", runs)
	}
}
