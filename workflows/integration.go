package workflows

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"paragon/schema"
)

// AuthKind is how an Integration authenticates.
type AuthKind string

// The ways to authenticate.
const (
	AuthNone              AuthKind = "none"
	AuthBasic             AuthKind = "basic"
	AuthBearer            AuthKind = "bearer"
	AuthAPIKey            AuthKind = "apiKey"
	AuthClientCredentials AuthKind = "clientCredentials"
	AuthAuthorizationCode AuthKind = "authorizationCode"
)

// Integration is a checked, compiled Integration. It is immutable and safe for
// concurrent use.
type Integration struct {
	Name string
	Spec *schema.IntegrationSpec
	// Timeout bounds a request; never 0.
	Timeout time.Duration
	// Secrets names the secrets that it uses, sorted; Client those of them that
	// are its OAuth2 client's.
	Secrets, Client []string
	// Retry is the proxy's policy, nil for one attempt.
	Retry *Retry
	// Pages has the items and the next page of its lists, nil without them.
	Pages *Pages

	base, authorization, token, revocation *Value
	headers                                *Value
	settings                               *jsonSchema
	defaults                               map[string]any
}

// Auth is how it authenticates.
func (i *Integration) Auth() AuthKind {
	a := i.Spec.Auth
	switch {
	case a == nil || a.None != nil:
		return AuthNone
	case a.Basic != nil:
		return AuthBasic
	case a.Bearer != nil:
		return AuthBearer
	case a.APIKey != nil:
		return AuthAPIKey
	case a.OAuth2 != nil && a.OAuth2.Grant == schema.GrantAuthorizationCode:
		return AuthAuthorizationCode
	case a.OAuth2 != nil:
		return AuthClientCredentials
	}
	return AuthNone
}

// Shared tells whether the document itself names all of a credential, which the
// project then shares. Tokens that someone consented to never are in a document.
func (i *Integration) Shared() bool {
	a := i.Spec.Auth
	switch i.Auth() {
	case AuthNone:
		return true
	case AuthBasic:
		return a.Basic.Username != nil && a.Basic.Password != nil
	case AuthBearer:
		return a.Bearer.Token != nil
	case AuthAPIKey:
		return a.APIKey.Key != nil
	case AuthClientCredentials:
		return a.OAuth2.ClientID != nil && a.OAuth2.ClientSecret != nil
	}
	return false
}

// integration compiles a spec. The result is not usable when errors were
// reported.
func (c *compiler) integration(spec *schema.IntegrationSpec) *Integration {
	i := &Integration{Name: c.name, Spec: spec, Timeout: time.Duration(spec.Timeout)}
	if i.Timeout == 0 {
		i.Timeout = defaultRequestTimeout
	}
	i.settings = c.schemaOf(spec.Settings, specPath.field("settings"))
	i.defaults = c.settingDefaults(spec.Settings)
	env := c.settingsEnvironment(spec.Settings)
	i.base = c.address(spec.BaseURL, specPath.field("baseUrl"), env, false)
	if spec.Auth != nil {
		c.integrationAuth(i, spec.Auth, specPath.field("auth"), env)
	}
	c.integrationHeaders(i, env)
	c.rate(spec.RateLimit, specPath.field("rateLimit"))
	if r := spec.Retry; r != nil {
		c.checkRetry(r, specPath.field("retry"))
		i.Retry = policy(r, false)
	}
	if p := spec.Pagination; p != nil {
		page := newEnvironment(nil)
		page.reasons = map[string]string{"input": "an integration knows no run", "steps": "an integration knows no run", "secrets": "an integration names its secrets in auth"}
		i.Pages = c.pages(&schema.PaginationSpec{Items: p.Items, NextPage: p.NextPage}, specPath.field("pagination"), page)
	}
	i.Secrets = slices.Sorted(maps.Keys(c.secrets))
	return i
}

// integrationAuth checks that there is one way to authenticate and compiles its
// addresses.
func (c *compiler) integrationAuth(i *Integration, a *schema.IntegrationAuth, at *path, env *environment) {
	n := 0
	if a.None != nil {
		n++
	}
	if b := a.Basic; b != nil {
		n++
		c.textOrSecret(b.Username, at.field("basic").field("username"))
		c.textOrSecret(b.Password, at.field("basic").field("password"))
	}
	if b := a.Bearer; b != nil {
		n++
		c.secretRef(b.Token, at.field("bearer").field("token"))
	}
	if k := a.APIKey; k != nil {
		n++
		here := at.field("apiKey")
		c.secretRef(k.Key, here.field("key"))
		if (k.Header == "") == (k.Query == "") {
			c.fail(here, "one-of", "", "an API key is sent in exactly one of header and query")
		}
		c.credentialHeader(k.Header, here.field("header"))
		if strings.ContainsFunc(k.Prefix, control) {
			c.fail(here.field("prefix"), "invalid-value", "", "prefix can't hold a line break or another control character")
		}
	}
	if o := a.OAuth2; o != nil {
		n++
		c.oauth(i, o, at.field("oauth2"), env)
	}
	if n != 1 {
		c.fail(at, "one-of", "", "auth has exactly one of none, basic, bearer, apiKey and oauth2")
	}
}

// credentialHeader checks the name of the header that carries a credential, if
// there is one.
func (c *compiler) credentialHeader(name string, at *path) {
	switch {
	case name == "":
	case !headerName.MatchString(name):
		c.fail(at, "invalid-value", "", "%q is not the name of a header", shorten(name, 60))
	case ownHeader(name):
		c.fail(at, "invalid-value", "", "%s belongs to the connection and can't be set", name)
	}
}

// oauth checks an OAuth2 client.
func (c *compiler) oauth(i *Integration, o *schema.IntegrationOAuth2, at *path, env *environment) {
	i.authorization = c.address(o.AuthorizationURL, at.field("authorizationUrl"), env, true)
	i.token = c.address(o.TokenURL, at.field("tokenUrl"), env, true)
	i.revocation = c.address(o.RevocationURL, at.field("revocationUrl"), env, true)
	c.textOrSecret(o.ClientID, at.field("clientId"))
	c.secretRef(o.ClientSecret, at.field("clientSecret"))
	if id := o.ClientID; id != nil && id.Secret != "" {
		i.Client = append(i.Client, id.Secret)
	}
	if s := o.ClientSecret; s != nil && s.Secret != "" && !slices.Contains(i.Client, s.Secret) {
		i.Client = append(i.Client, s.Secret)
	}
	c.credentialHeader(o.TokenHeader, at.field("tokenHeader"))
	for n, s := range o.Scopes {
		if s == "" || strings.ContainsFunc(s, control) {
			c.fail(at.field("scopes").item(n), "invalid-value", "", "a scope is a word")
		}
	}
	switch o.Grant {
	case schema.GrantAuthorizationCode:
		if o.AuthorizationURL == "" {
			c.fail(at, "missing-field", "", "authorizationUrl is missing: users are sent there to consent")
		}
		if o.ClientID == nil {
			c.fail(at, "missing-field", "write clientId: {secret: NAME}", "clientId is missing: users consent to a client of the project's")
		}
	case schema.GrantClientCredentials:
		for name, set := range map[string]bool{"authorizationUrl": o.AuthorizationURL != "", "pkce": o.PKCE != nil, "authorizationParams": o.AuthorizationParams != nil} {
			if set {
				c.fail(at.field(name), "one-of", "", "%s goes with the grant authorizationCode", name)
			}
		}
		if (o.ClientID == nil) != (o.ClientSecret == nil) {
			c.fail(at, "one-of", "", "clientId and clientSecret go together: both of the project's client, or neither, for clients that users bring")
		}
	}
}

// rate checks that a limit is whole.
func (c *compiler) rate(r *schema.IntegrationRate, at *path) {
	if r == nil {
		return
	}
	switch {
	case r.Limit != 0 && r.Per <= 0:
		c.fail(at, "missing-field", "write per: 1m", "a limit is for a time")
	case r.Limit == 0 && r.Per != 0:
		c.fail(at, "missing-field", "write limit: 100", "per goes with a limit")
	case r.Limit == 0 && r.Headers == nil:
		c.fail(at, "missing-field", "write limit and per, or headers", "rateLimit says nothing")
	}
	if h := r.Headers; h != nil {
		for name, header := range map[string]string{"limit": h.Limit, "remaining": h.Remaining, "reset": h.Reset} {
			if header != "" && !headerName.MatchString(header) {
				c.fail(at.field("headers").field(name), "invalid-value", "", "%q is not the name of a header", shorten(header, 60))
			}
		}
	}
}

// integrationHeaders compiles the headers that each request gets.
func (c *compiler) integrationHeaders(i *Integration, env *environment) {
	at := specPath.field("headers")
	auth := i.Spec.Auth
	for name, value := range i.Spec.Headers {
		switch {
		case !headerName.MatchString(name):
			c.fail(at.field(name), "invalid-name", "", "%q is not the name of a header", shorten(name, 60))
		case ownHeader(name):
			c.fail(at.field(name), "invalid-name", "", "%s belongs to the connection and can't be set", name)
		case i.Auth() != AuthNone && strings.EqualFold(name, "Authorization"),
			auth != nil && auth.APIKey != nil && strings.EqualFold(name, auth.APIKey.Header),
			auth != nil && auth.OAuth2 != nil && strings.EqualFold(name, auth.OAuth2.TokenHeader):
			c.fail(at.field(name), "one-of", "", "auth sets %s", name)
		case strings.ContainsFunc(value, control):
			c.fail(at.field(name), "invalid-value", "", "a header can't hold a line break or another control character")
		}
	}
	if i.Spec.Headers != nil {
		i.headers = c.value(i.Spec.Headers, at, env)
	}
}

// secretRef takes up a secret that is named.
func (c *compiler) secretRef(s *schema.SecretName, at *path) {
	if s != nil {
		c.namesSecret(s.Secret, at.field("secret"))
	}
}

// textOrSecret takes up the secret of a text that may be one.
func (c *compiler) textOrSecret(t *schema.TextOrSecret, at *path) {
	switch {
	case t == nil:
	case t.Secret != "":
		c.namesSecret(t.Secret, at.field("secret"))
	case strings.Contains(t.Text, "${{"):
		c.fail(at, "expression", "write {secret: NAME}", "this is a text as it is, or the name of a Secret")
	case t.Text == "":
		c.fail(at, "missing-field", "write {secret: NAME}", "%s is empty", at.name)
	}
}

// decodeText reads a text, or the object that names a secret.
func (d *decoder) decodeText(n *node, v reflect.Value, p *path, depth int) any {
	if n.Kind == mapNode {
		var name schema.SecretName
		plain := d.object(n, reflect.ValueOf(&name).Elem(), p, depth)
		v.Set(reflect.ValueOf(schema.TextOrSecret{Secret: name.Secret}))
		return plain
	}
	var text string
	plain := d.scalar(n, reflect.ValueOf(&text).Elem(), p)
	v.Set(reflect.ValueOf(schema.TextOrSecret{Text: text}))
	return plain
}

// plainSecret reports what stands in place of the object that names a secret. It
// may be the secret itself, and is not shown.
func (d *decoder) plainSecret(n *node, p *path) any {
	name := "this"
	if p != nil && p.index < 0 {
		name = p.name
	}
	d.fail(n, p, "wrong-type", "write {secret: NAME}", "%s names a Secret, and does not hold its value", name)
	d.diags[len(d.diags)-1].Source = ""
	return nil
}

// CompileIntegration compiles the canonical JSON of an integration's spec, as it
// was stored when it was applied. Its error is of type Diagnostics when the spec
// breaks a rule of the language.
func CompileIntegration(name string, spec json.RawMessage) (*Integration, error) {
	s := &schema.IntegrationSpec{}
	d := json.NewDecoder(strings.NewReader(string(spec)))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, fmt.Errorf("integration %s: the stored spec can't be read: %w", name, err)
	}
	plainSpec(reflect.ValueOf(s).Elem())
	c := newCompiler(name, nil, nil)
	i := c.integration(s)
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	return i, nil
}
