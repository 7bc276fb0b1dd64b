package connect

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"paragon/workflows/exchange"
	"paragon/workflows/token"
)

// fetch gets the token of a client that acts for itself (RFC 6749 section 4.4).
// Every process keeps its own: another token costs the client nothing.
func (c *Connect) fetch(ctx context.Context, t *Target) error {
	client, err := t.client()
	if err != nil {
		return err
	}
	if c.tokens == nil {
		return refuse(ReasonUnavailable, "this process fetches no tokens")
	}
	value, fetched, err := c.tokens.Get(ctx, client)
	if err != nil {
		return t.noToken(err)
	}
	credential := *t.credential
	credential.Token = value
	t.credential, t.fetched = &credential, fetched
	return nil
}

// renew fetches a token in place of one that the far side refused.
func (c *Connect) renew(ctx context.Context, t *Target) error {
	client, err := t.client()
	if err != nil {
		return err
	}
	if t.fetched {
		return refuse(ReasonInvalid, "the API refuses a token that was just made for the client of integration %s; look at its scopes", t.Integration.Name)
	}
	c.tokens.Drop(ctx, client, t.credential.Token)
	return nil
}

// client is the OAuth2 client of the target's credential.
func (t *Target) client() (token.Client, error) {
	o := t.Integration.Spec.Auth.OAuth2
	u, err := t.Integration.TokenURL(t.Settings)
	if err != nil {
		return token.Client{}, &Error{Reason: ReasonInvalid, Detail: "the settings of the credential make no address", Err: err}
	}
	separator := o.ScopeSeparator
	if separator == "" {
		separator = " "
	}
	params := url.Values{}
	for name, value := range o.TokenParams {
		params.Set(name, value)
	}
	return token.Client{URL: u.String(), ID: t.credential.ClientID, Secret: t.credential.ClientSecret,
		Scope: strings.Join(o.Scopes, separator), Auth: o.ClientAuth, Params: params.Encode()}, nil
}

// noToken tells a client that is refused from an endpoint that can't be asked.
func (t *Target) noToken(err error) error {
	out := &Error{Reason: ReasonUnavailable, Detail: "no token for integration " + t.Integration.Name, Err: err}
	var answered *token.Error
	switch {
	case errors.As(err, &answered) && (answered.Status == http.StatusBadRequest || answered.Status == http.StatusUnauthorized || answered.Status == http.StatusForbidden):
		out.Reason = ReasonInvalid
	case exchange.KindOf(err) == exchange.KindBlocked:
		out.Reason = ReasonBroken
	}
	return out
}
