package workflows

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/expr-lang/expr/checker/nature"

	"paragon/schema"
)

var (
	// headerName is a token of RFC 9110 section 5.6.2.
	headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	// addressPart is what a setting may put into an address: no character that
	// could move its host or leave its path.
	addressPart = regexp.MustCompile(`^[A-Za-z0-9_~-]+(\.[A-Za-z0-9_~-]+)*$`)
)

// ownHeader tells whether a header is the connection's (RFC 9110 section 7.6.1)
// and not the request's.
func ownHeader(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

func control(r rune) bool { return r != '\t' && unicode.IsControl(r) }

// settingsEnvironment is the scope of an integration's templates.
func (c *compiler) settingsEnvironment(s map[string]any) *environment {
	env := newEnvironment(nil)
	reasons := map[string]string{"secrets": "an integration names its secrets in auth"}
	if s == nil {
		reasons["settings"] = "declare them in spec.settings"
	} else {
		n := schemaNature(s)
		if n.TypeData != nil && len(n.Fields) > 0 {
			n = mapNature(n.Fields, true) // what is not declared is a slip
		}
		env = newEnvironment(map[string]nature.Nature{"settings": n})
	}
	env.reasons = reasons
	return env
}

// settingDefaults are the defaults of the properties that have one.
func (c *compiler) settingDefaults(s map[string]any) map[string]any {
	if s == nil {
		return nil
	}
	if t, ok := s["type"]; ok && t != "object" {
		c.fail(specPath.field("settings").field("type"), "json-schema", "write type: object", "settings are an object")
	}
	return defaultsOf(s)
}

// defaultsOf are the defaults that a JSON Schema of an object has for its
// properties.
func defaultsOf(s map[string]any) map[string]any {
	out := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	for name, p := range properties {
		if m, ok := p.(map[string]any); ok && m["default"] != nil {
			out[name] = m["default"]
		}
	}
	return out
}

// filled is what was given, and defaults where nothing was; never nil.
func filled(defaults, given map[string]any) map[string]any {
	full := make(map[string]any, len(defaults)+len(given))
	maps.Copy(full, defaults)
	maps.Copy(full, given)
	return full
}

// Settings fills a credential's settings up with the defaults and lists what is
// wrong with them. The fields of what it finds begin with "settings".
func (i *Integration) Settings(given map[string]any) (map[string]any, []schema.Diagnostic) {
	full := filled(i.defaults, given)
	return full, i.settings.check("settings", full)
}

// address compiles the template of a URL. Where a secret of the project's is sent
// to the host, a setting must not choose it.
func (c *compiler) address(text string, at *path, env *environment, fixed bool) *Value {
	if text == "" {
		return nil // reported where it is missing
	}
	v := c.template(text, at, env)
	bad := func(suggestion, format string, args ...any) {
		c.fail(at, "invalid-value", suggestion, format, args...)
	}
	_, whole := v.Expression()
	begins := strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
	switch {
	case whole && fixed:
		bad("write https:// and the host", "%s must name its host: the client's secret is sent there", at.name)
		return v
	case whole:
		return v
	case !begins:
		bad("write https:// in front", "%q is not an absolute URL", shorten(text, 60))
		return v
	}
	if fixed && v.kind == textValue && !v.endsHost() {
		bad("end the host with a domain of the API's", "a setting can't choose the host of %s: the client's secret is sent there", at.name)
	}
	if x, ok := v.Literal(); ok {
		u, err := parseAddress(x.(string))
		switch {
		case err != nil:
			bad("", "%s: %s", at.name, err)
		case at.name == "baseUrl" && (u.RawQuery != "" || u.ForceQuery):
			bad("write it into the request's query", "baseUrl can't have a query")
		}
	}
	return v
}

// endsHost tells whether the host of an address ends in a text with a dot, so
// that settings choose only what is below it.
func (v *Value) endsHost() bool {
	// The host ends at the first slash behind the scheme. What is written behind
	// the last expression before it is its end.
	rest := ""
	for i, p := range v.parts {
		if p.expr != nil {
			rest = ""
			continue
		}
		text := p.text
		if i == 0 {
			_, text, _ = strings.Cut(text, "://")
		}
		host, _, more := strings.Cut(text, "/")
		if rest += host; more {
			return i == 0 || strings.HasPrefix(rest, ".") && strings.Count(strings.TrimRight(rest, "."), ".") >= 2
		}
	}
	return strings.HasPrefix(rest, ".") && strings.Count(strings.TrimRight(rest, "."), ".") >= 2
}

// parseAddress reads an absolute URL of an API. Its errors do not repeat it.
func parseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, err
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, errors.New("it must be absolute and begin with https:// or http://")
	case u.User != nil:
		return nil, errors.New("credentials go into auth, not into the address")
	case u.Fragment != "":
		return nil, errors.New("it can't have a fragment")
	}
	return u, nil
}

// resolve is an address for a credential's settings, which must be filled up. A
// setting inside of it is a host's label, several of them, or one element of the
// path.
func (i *Integration) resolve(v *Value, what string, settings map[string]any) (*url.URL, error) {
	scope := &Scope{Settings: settings}
	var b strings.Builder
	if v.kind == textValue {
		for _, p := range v.parts {
			if p.expr == nil {
				b.WriteString(p.text)
				continue
			}
			x, err := p.expr.eval(scope)
			if err != nil {
				return nil, err
			}
			text, err := toText(x)
			if err != nil {
				return nil, p.expr.failure(err)
			}
			if !addressPart.MatchString(text) {
				return nil, fmt.Errorf("%s of integration %s: ${{ %s }} must be a name of letters, digits, dots and hyphens", what, i.Name, p.expr.source)
			}
			b.WriteString(text)
		}
	} else {
		text, err := v.EvalString(scope)
		if err != nil {
			return nil, err
		}
		b.WriteString(text)
	}
	u, err := parseAddress(b.String())
	if err != nil {
		return nil, fmt.Errorf("%s of integration %s: %w", what, i.Name, err)
	}
	return u, nil
}

// BaseURL is what requests go to with a credential's settings, which must be
// filled up (Settings).
func (i *Integration) BaseURL(settings map[string]any) (*url.URL, error) {
	u, err := i.resolve(i.base, "baseUrl", settings)
	if err == nil && u.RawQuery != "" {
		return nil, fmt.Errorf("baseUrl of integration %s can't have a query", i.Name)
	}
	return u, err
}

// AuthorizationURL, TokenURL and RevocationURL are the endpoints of the OAuth2
// server with a credential's settings; nil where the integration has none.
func (i *Integration) AuthorizationURL(settings map[string]any) (*url.URL, error) {
	return i.endpoint(i.authorization, "authorizationUrl", settings)
}

// TokenURL is the token endpoint.
func (i *Integration) TokenURL(settings map[string]any) (*url.URL, error) {
	return i.endpoint(i.token, "tokenUrl", settings)
}

// RevocationURL is the revocation endpoint.
func (i *Integration) RevocationURL(settings map[string]any) (*url.URL, error) {
	return i.endpoint(i.revocation, "revocationUrl", settings)
}

func (i *Integration) endpoint(v *Value, what string, settings map[string]any) (*url.URL, error) {
	if v == nil {
		return nil, nil
	}
	return i.resolve(v, what, settings)
}

// Headers are those that each request gets, with a credential's settings.
func (i *Integration) Headers(settings map[string]any) (map[string]string, error) {
	out := make(map[string]string, len(i.Spec.Headers))
	for name := range i.Spec.Headers {
		text, err := i.headers.Field(name).EvalString(&Scope{Settings: settings})
		if err != nil {
			return nil, err
		}
		if strings.ContainsFunc(text, control) {
			return nil, fmt.Errorf("headers.%s of integration %s holds a line break or another control character", name, i.Name)
		}
		out[name] = text
	}
	return out, nil
}
