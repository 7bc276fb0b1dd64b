package steps

import (
	"encoding/base64"
	"strings"

	"paragon/workflows/exchange"
	"paragon/workflows/token"
)

// buildAuth evaluates the step's credential. Texts that follow from it become
// secrets of the attempt, for a far side that echoes what it got.
func (a *attempt) buildAuth(m *message) error {
	auth := a.spec.Auth
	if auth == nil {
		return nil
	}
	args := a.call.Step.Args.Field("auth")
	eval := func(kind, field string) (string, error) {
		s, err := args.Field(kind).Field(field).EvalString(a.call.Scope)
		if err != nil {
			return "", expression("auth."+kind+"."+field, err)
		}
		return s, nil
	}
	switch {
	case auth.Basic != nil:
		name, err := eval("basic", "username")
		if err != nil {
			return err
		}
		password, err := eval("basic", "password")
		if err != nil {
			return err
		}
		if strings.Contains(name, ":") {
			return fatal("auth.basic.username: it can't hold a colon") // RFC 7617 section 2
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(name + ":" + password))
		a.redact.add(encoded)
		m.header.Set("Authorization", "Basic "+encoded)
	case auth.Bearer != nil:
		value, err := eval("bearer", "token")
		if err != nil {
			return err
		}
		if value == "" {
			return fatal("auth.bearer.token: it is empty")
		}
		if !exchange.ValidHeaderValue(value) {
			return fatal("auth.bearer.token: it holds a line break or another control character")
		}
		a.redact.add(value)
		m.header.Set("Authorization", "Bearer "+value)
	case auth.OAuth2 != nil:
		c := token.Client{Scope: strings.Join(auth.OAuth2.Scopes, " ")}
		for field, to := range map[string]*string{"tokenUrl": &c.URL, "clientId": &c.ID, "clientSecret": &c.Secret} {
			s, err := eval("oauth2", field)
			if err != nil {
				return err
			}
			if s == "" {
				return fatal("auth.oauth2.%s: it is empty", field)
			}
			*to = s
		}
		if _, err := parseURL(c.URL); err != nil {
			return fatal("auth.oauth2.tokenUrl: %s", err)
		}
		a.redact.add(c.Secret)
		m.oauth = &c
	}
	return nil
}
