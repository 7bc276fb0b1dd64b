package connect

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"paragon/engine/seal"
	"paragon/workflows"
	"paragon/workflows/exchange"
)

// Target is what a call to an integration needs, for one caller at one moment. It
// is immutable and safe for concurrent use.
type Target struct {
	Caller
	Integration *workflows.Integration
	// Base is what the path of a request is appended to.
	Base *url.URL
	// Settings are those of the credential, with the integration's defaults.
	Settings map[string]any

	header     map[string]string
	credential *Credential
	// brought says that the integration does not name the credential itself,
	// fetched that its token was made just now.
	brought, fetched bool
	// secrets are texts that no log may show.
	secrets []string
}

// target makes the target of a credential. It fails with an *Error.
func (c *Connect) target(ctx context.Context, who Caller, i *workflows.Integration, credential *Credential, brought bool) (*Target, error) {
	t := &Target{Caller: who, Integration: i, credential: credential, brought: brought}
	settings, wrong := i.Settings(credential.Settings)
	if len(wrong) > 0 {
		return nil, refuse(ReasonInvalid, "the settings of the credential for integration %s: %s %s", i.Name, wrong[0].Field, wrong[0].Message)
	}
	t.Settings = settings
	var err error
	if t.Base, err = i.BaseURL(settings); err != nil {
		return nil, &Error{Reason: ReasonInvalid, Detail: "the settings of the credential make no address", Err: err}
	}
	if t.header, err = i.Headers(settings); err != nil {
		return nil, &Error{Reason: ReasonInvalid, Detail: "the settings of the credential make no header", Err: err}
	}
	if i.Auth() == workflows.AuthClientCredentials {
		if err := c.fetch(ctx, t); err != nil {
			return nil, err
		}
	}
	return t, t.check()
}

// check refuses a credential that can't be sent.
func (t *Target) check() error {
	c := t.credential
	bad := func(what string) error {
		return refuse(ReasonInvalid, "%s of the credential for integration %s", what, t.Integration.Name)
	}
	switch t.Integration.Auth() {
	case workflows.AuthBasic:
		if strings.Contains(c.Username, ":") { // RFC 7617 section 2
			return bad("there is a colon in the user name")
		}
		t.secrets = []string{c.Password, base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))}
	case workflows.AuthBearer, workflows.AuthClientCredentials, workflows.AuthAuthorizationCode:
		if c.Token == "" || !exchange.ValidHeaderValue(c.Token) {
			return bad("a header can't hold the token")
		}
		t.secrets = []string{c.Token}
	case workflows.AuthAPIKey:
		if k := t.Integration.Spec.Auth.APIKey; c.Key == "" || k.Header != "" && !exchange.ValidHeaderValue(c.Key) {
			return bad("a header can't hold the key")
		}
		t.secrets = []string{c.Key, url.QueryEscape(c.Key)}
	}
	return nil
}

// URL is the address of a path below the base; the path may bring a query.
func (t *Target) URL(path string) (*url.URL, error) { return exchange.Under(t.Base, path) }

// Hide replaces in a text what no log may show by ***.
func (t *Target) Hide(text string) string { return seal.NewRedactor(t.secrets...).String(text) }

// Secrets are texts that no log may show.
func (t *Target) Secrets() []string { return t.secrets }

// Authorize puts the credential on a request, in place of what it has there, and
// those of the integration's headers that it does not set. It fails with an
// *Error, and changes nothing, when the request goes to another scheme, host or
// port than the base, or asks for another host there.
func (t *Target) Authorize(r *http.Request) error {
	if r.URL == nil || !sameHost(t.Base, r.URL) || r.Host != "" && !strings.EqualFold(r.Host, r.URL.Host) {
		return refuse(ReasonHost, "the credential of integration %s is for %s://%s alone", t.Integration.Name, t.Base.Scheme, t.Base.Host)
	}
	for name, value := range t.header {
		if _, set := r.Header[http.CanonicalHeaderKey(name)]; !set {
			r.Header.Set(name, value)
		}
	}
	c := t.credential
	switch t.Integration.Auth() {
	case workflows.AuthBasic:
		r.SetBasicAuth(c.Username, c.Password)
	case workflows.AuthBearer:
		r.Header.Set("Authorization", "Bearer "+c.Token)
	case workflows.AuthClientCredentials, workflows.AuthAuthorizationCode:
		if name := t.Integration.Spec.Auth.OAuth2.TokenHeader; name != "" {
			r.Header.Set(name, c.Token)
			break
		}
		r.Header.Set("Authorization", "Bearer "+c.Token)
	case workflows.AuthAPIKey:
		k := t.Integration.Spec.Auth.APIKey
		if k.Header != "" {
			r.Header.Set(k.Header, k.Prefix+c.Key)
			break
		}
		query := url.Values{k.Query: {k.Prefix + c.Key}}.Encode()
		for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
			if name, _, _ := strings.Cut(pair, "="); pair != "" && !isName(name, k.Query) {
				query += "&" + pair
			}
		}
		u := *r.URL
		u.RawQuery = query
		r.URL = &u
	}
	return nil
}

// sameHost compares scheme, host and port.
func sameHost(base, to *url.URL) bool {
	return strings.EqualFold(base.Scheme, to.Scheme) && exchange.SameOrigin(base, to) && to.User == nil
}

// isName tells whether a name as it stands in a query is a parameter's.
func isName(raw, name string) bool {
	plain, err := url.QueryUnescape(raw)
	return err != nil || plain == name
}
