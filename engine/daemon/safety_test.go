package daemon_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"paragon/schema"
	"paragon/schema/api"
)

// oneUser makes a user u_1 with a credential for an integration.
func (d *dev) oneUser(integration, account string, c api.PutCredentialRequest) error {
	d.t.Helper()
	if _, err := d.PutUser(d.t.Context(), "u_1", api.PutUserRequest{}); err != nil {
		d.t.Fatal(err)
	}
	_, err := d.PutCredential(d.t.Context(), "u_1", integration, account, c)
	return err
}

func asU1(account string) http.Header {
	return http.Header{"Paragon-User": {"u_1"}, "Paragon-Account": {account}}
}

// status is that of a problem, 0 for none.
func status(err error) int {
	var p *schema.Problem
	if errors.As(err, &p) {
		return p.Status
	}
	return 0
}

// Nothing that someone writes into a value becomes a header of its own.
func TestHeaderInjection(t *testing.T) {
	d, far := startDev(t, t.TempDir()), newWire(t)
	base := `baseUrl: "` + far.url() + `/v2"`
	settings := `settings: {type: object, properties: {v: {type: string}}}`
	d.integration("token", `{`+base+`, auth: {bearer: {}}}`)
	d.integration("login", `{`+base+`, auth: {basic: {}}}`)
	d.integration("header", `{`+base+`, auth: {apiKey: {header: X-Key}}}`)
	d.integration("query", `{`+base+`, auth: {apiKey: {query: key}}}`)
	d.integration("templates", `{`+base+`, auth: {bearer: {}}, headers: {X-V: "${{ settings.v }}"}, `+settings+`}`)
	d.integration("places", `{baseUrl: "`+far.url()+`/v2/${{ settings.v }}", auth: {bearer: {}}, `+settings+`}`)
	d.integration("hosts", `{baseUrl: "http://${{ settings.v }}/v2", auth: {bearer: {}}, `+settings+`}`)
	for _, evil := range []string{"a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\x00b", "a\r\n\r\nGET /v2/evil HTTP/1.1\r\nHost: x\r\n\r\n"} {
		for _, tt := range []struct {
			integration string
			credential  api.PutCredentialRequest
			// put and call are what is answered to bringing the credential and to a
			// call with it.
			put, call int
		}{
			{"token", api.PutCredentialRequest{Bearer: &api.BearerCredential{Token: evil}}, 422, 0},
			{"header", api.PutCredentialRequest{APIKey: &api.KeyCredential{Key: evil}}, 422, 0},
			{"query", api.PutCredentialRequest{APIKey: &api.KeyCredential{Key: evil}}, 422, 0},
			{"login", api.PutCredentialRequest{Basic: &api.BasicCredential{Username: "u", Password: evil}}, 0, 200}, // as base64
			{"templates", api.PutCredentialRequest{Bearer: &api.BearerCredential{Token: "t"}, Settings: asSetting(evil)}, 0, 409},
			{"places", api.PutCredentialRequest{Bearer: &api.BearerCredential{Token: "t"}, Settings: asSetting(evil)}, 0, 409},
			{"hosts", api.PutCredentialRequest{Bearer: &api.BearerCredential{Token: "t"}, Settings: asSetting(evil)}, 0, 409},
		} {
			account := fmt.Sprintf("a%d", len(evil))
			err := d.oneUser(tt.integration, account, tt.credential)
			if status(err) != tt.put {
				t.Errorf("%s %q: %v; want %d", tt.integration, evil, err, tt.put)
			}
			if err != nil {
				continue
			}
			if resp, body := d.callThrough(tt.integration, "GET", "/x", "", asU1(account)); resp.StatusCode != tt.call {
				t.Errorf("%s %q: %d %s; want %d", tt.integration, evil, resp.StatusCode, body, tt.call)
			}
		}
		// In a secret that everybody shares, in the document, in a step, in a name.
		d.secret("EVIL", evil)
		d.integration("shared", `{`+base+`, auth: {bearer: {token: {secret: EVIL}}}}`)
		if resp, body := d.callThrough("shared", "GET", "/x", "", nil); resp.StatusCode != 409 {
			t.Errorf("a secret %q: %d %s", evil, resp.StatusCode, body)
		}
		text, _ := json.Marshal(evil)
		for _, spec := range []string{`headers: {X-V: TEXT}`, `headers: {TEXT: v}`, `auth: {apiKey: {header: X-Key, prefix: TEXT}}`, `auth: {apiKey: {header: TEXT}}`} {
			content := "apiVersion: paragon/v1\nkind: Integration\nmetadata: {name: evil}\nspec: {" + base + ", " + strings.ReplaceAll(spec, "TEXT", string(text)) + "}\n"
			if _, err := d.Apply(t.Context(), api.ApplyRequest{Files: []api.File{{Name: "evil.yaml", Content: content}}}, api.ApplyOptions{}); err == nil {
				t.Errorf("%s is applied", content)
			}
		}
		if _, err := d.PutUser(t.Context(), evil, api.PutUserRequest{}); err == nil {
			t.Errorf("there is a user %q", evil)
		}
	}
	d.secret("GOOD", "a-good-token")
	d.integration("good", `{`+base+`, auth: {bearer: {token: {secret: GOOD}}}}`)
	d.apply("steps", `
steps:
  - {id: value, onError: continue, request: {integration: good, path: /x, headers: {X-V: "${{ input }}"}}}
  - {id: path, onError: continue, request: {integration: good, path: "/${{ input }}"}}
  - {id: query, request: {integration: good, path: /x, query: {v: "${{ input }}"}}}
output: ["${{ steps.value.error.type }}", "${{ steps.path.error.type }}", "${{ steps.query.status }}"]
`)
	d.succeed("steps", `"a\r\nX-Evil: 1"`, `["expression","expression",200]`)
	got, wrong := far.take()
	for _, w := range wrong {
		t.Errorf("the far side got %s", w)
	}
	for _, r := range got {
		if strings.HasPrefix(r.line, "GET /v2/evil") || r.header("X-Evil") != nil || len(r.header("Authorization")) != 1 {
			t.Errorf("the far side got %+v", r)
		}
	}
	if len(got) != 6 {
		t.Errorf("the far side got %d requests; want those of five logins and of one step", len(got))
	}
}

func asSetting(v string) json.RawMessage {
	raw, _ := json.Marshal(map[string]string{"v": v})
	return raw
}

// A path leads nowhere but below the base URL, and the credential to no other
// host, whatever way the request says it.
func TestPathsAndHostsOnTheWire(t *testing.T) {
	d, far := startDev(t, t.TempDir()), newWire(t)
	d.secret("WIRE_TOKEN", "a-token-for-the-wire")
	d.integration("wire", `{baseUrl: "`+far.url()+`/v2", auth: {bearer: {token: {secret: WIRE_TOKEN}}}}`)
	for _, rest := range []string{
		"/../admin", "/..", "/a/../../admin", "/%2e%2e/admin", "/%2E%2e/admin", "/.%2e/admin", "/%2e./admin", "/%252e%252e/admin", "/%25252e%25252e/admin",
		"/..%2fadmin", "/..%2Fadmin", "/%2e%2e%2fadmin", "/..%252fadmin", `/..\admin`, "/..%5cadmin", "/..%5Cadmin", "/%2e%2e%5cadmin", "/..%255cadmin",
		"/..;/admin", "/..;a=b/admin", "/%2e%2e;/admin", "/..%3b/admin", "/./../admin", "/a/./b", "/a/%2e/b", "/..%00/admin", "/%00", "/a%0d%0ab", "/a%250ab", "/%zz", "/%",
		"/a/..", "/a/../", "//../admin", "/../../../../etc/passwd", "/..%c0%af..%c0%afetc", "/%2e%2e/%2e%2e/v1/projects",
	} {
		answer := d.raw("GET " + wirePath + rest + " HTTP/1.1\r\nHost: x\r\nAUTH\r\nConnection: close\r\n\r\n")
		got, _ := far.take()
		for _, r := range got {
			text := strings.Split(r.line, " ")[1]
			for range 4 {
				for _, spelling := range []string{text, strings.ReplaceAll(text, `\`, "/"), strings.ReplaceAll(text, ";", "/")} {
					if clean := path.Clean(spelling); clean != "/v2" && !strings.HasPrefix(clean, "/v2/") {
						t.Errorf("%s led the far side to %s", rest, clean)
					}
				}
				next, err := url.PathUnescape(text)
				if err != nil {
					break
				}
				text = next
			}
		}
		if len(got) == 0 && !strings.HasPrefix(answer, "HTTP/1.1 400") {
			t.Errorf("%s: %.200q", rest, answer)
		}
	}
	// All of these go to the wire, and tell it nothing of another host.
	other := newWire(t)
	evil := other.ln.Addr().String()
	for _, head := range []string{
		"GET " + wirePath + "/x HTTP/1.1\r\nHost: " + evil,
		"GET http://" + evil + wirePath + "/x HTTP/1.1\r\nHost: x",
		"GET http://user:pw@" + evil + wirePath + "/x HTTP/1.1\r\nHost: x",
		"GET " + wirePath + "/http://" + evil + "/x HTTP/1.1\r\nHost: x",
		"GET " + wirePath + "//" + evil + "/x HTTP/1.1\r\nHost: x",
		"GET " + wirePath + "/@" + evil + "/x HTTP/1.1\r\nHost: x",
		"GET " + wirePath + "/x?url=http://" + evil + "/ HTTP/1.1\r\nHost: x",
		"GET " + wirePath + "/x HTTP/1.1\r\nHost: x\r\nX-Forwarded-Host: " + evil + "\r\nForwarded: host=" + evil + "\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin",
	} {
		if answer := d.raw(head + "\r\nAUTH\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 200") {
			t.Errorf("%s: %.200q", head, answer)
		}
		got, wrong := far.take()
		if len(got) != 1 || len(wrong) > 0 || got[0].header("Host")[0] != far.ln.Addr().String() || got[0].header("X-Forwarded-Host") != nil || got[0].header("Forwarded") != nil {
			t.Errorf("%s: the far side got %+v %v", head, got, wrong)
		}
		if got, _ := other.take(); len(got) > 0 {
			t.Errorf("%s: another host got %+v", head, got)
		}
	}
}

// inside are addresses of what is nobody's business outside, in the forms in which
// one can write them.
var inside = []string{
	"169.254.169.254", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
	"[::]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::ffff:0:a9fe:a9fe]", "[::169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a9fe:a9fe]",
	"[2002:a9fe:a9fe::]", "[2001:0:a9fe:a9fe::1]", "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[100::1]",
}

// No call leaves to an address inside, whoever chose it: a user by a setting, the
// far side by a redirect, an integration by its token endpoint.
func TestAddressesInside(t *testing.T) {
	d := startDev(t, t.TempDir())
	d.integration("chosen", `{baseUrl: "${{ settings.v }}", auth: {bearer: {}}, settings: {type: object, required: [v], properties: {v: {type: string}}}}`)
	d.secret("CLIENT", "a-client-secret")
	d.apply("visits", `
steps: [{id: a, onError: continue, request: {url: "${{ input }}"}}]
output: "${{ steps.a.error.type }}"
`)
	for i, host := range inside {
		account := fmt.Sprintf("a%d", i)
		if err := d.oneUser("chosen", account, api.PutCredentialRequest{Bearer: &api.BearerCredential{Token: "t"}, Settings: asSetting("http://" + host + "/v2")}); err != nil {
			t.Fatal(err)
		}
		if resp, body := d.callThrough("chosen", "POST", "/x", "", asU1(account)); resp.StatusCode != 502 || !strings.Contains(body, "private or reserved") {
			t.Errorf("%s: %d %s", host, resp.StatusCode, body)
		}
		name := fmt.Sprintf("client-%d", i)
		d.integration(name, fmt.Sprintf(`{baseUrl: FAR, auth: {oauth2: {grant: clientCredentials, tokenUrl: "http://%s/token", clientId: c, clientSecret: {secret: CLIENT}}}}`, host))
		if resp, body := d.callThrough(name, "GET", "/anything", "", nil); resp.StatusCode != 409 || !strings.Contains(body, "private or reserved") {
			t.Errorf("a token of %s: %d %s", host, resp.StatusCode, body)
		}
		for _, to := range []string{"http://" + host + "/", d.FarSide + "/redirect-to?url=" + url.QueryEscape("http://"+host+"/")} {
			text, _ := json.Marshal(to)
			d.succeed("visits", string(text), `"blocked"`)
		}
	}
	// Spellings that are names to us, and addresses to lenient resolvers.
	for i, host := range []string{"2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "0xa9.0xfe.0xa9.0xfe"} {
		account := fmt.Sprintf("n%d", i)
		if err := d.oneUser("chosen", account, api.PutCredentialRequest{Bearer: &api.BearerCredential{Token: "t"}, Settings: asSetting("http://" + host + "/v2")}); err != nil {
			t.Fatal(err)
		}
		if resp, body := d.callThrough("chosen", "POST", "/x", "", asU1(account)); resp.StatusCode != 502 {
			t.Errorf("%s: %d %s", host, resp.StatusCode, body)
		}
	}
}

// A token endpoint that redirects gets the client's secret sent nowhere.
func TestTokenEndpointsThatRedirect(t *testing.T) {
	d, other := startDev(t, t.TempDir()), newWire(t)
	far := serve(t, map[string]http.HandlerFunc{"/token": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.url()+"/v2/token", http.StatusTemporaryRedirect)
	}})
	d.secret("CLIENT", "a-client-secret")
	for _, auth := range []string{"basic", "post"} {
		d.integration("moved-"+auth, `{baseUrl: FAR, auth: {oauth2: {grant: clientCredentials, tokenUrl: "`+far+`/token", clientId: c, clientSecret: {secret: CLIENT}, clientAuth: `+auth+`}}}`)
		if resp, body := d.callThrough("moved-"+auth, "GET", "/anything", "", nil); resp.StatusCode < 400 || strings.Contains(body, "a-client-secret") {
			t.Errorf("%s: %d %s", auth, resp.StatusCode, body)
		}
		if got, wrong := other.take(); len(got)+len(wrong) > 0 {
			t.Errorf("%s: the other host got %+v %v", auth, got, wrong)
		}
	}
}
