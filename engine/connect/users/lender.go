package users

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"paragon/engine/connect"
	"paragon/engine/connect/oauth"
	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/exchange"
)

// Lender lends out the credentials of a book, with tokens that count: one that
// has ended is renewed, once over all processes. It is safe for concurrent use.
type Lender struct {
	book *Book
	http *exchange.Client

	mu       sync.Mutex
	closed   bool
	renewals map[string]*renewal // by credential
	running  sync.WaitGroup
}

var _ connect.Credentials = (*Lender)(nil)

// NewLender makes a lender. The client asks authorization servers.
// Close it when nothing uses it any more.
func NewLender(b *Book, client *exchange.Client) *Lender {
	return &Lender{book: b, http: client, renewals: map[string]*renewal{}}
}

// Close waits for the renewals under way. It may be called twice.
func (l *Lender) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.running.Wait()
}

// Credential is what the caller brought. It fails with a *connect.Error.
func (l *Lender) Credential(ctx context.Context, who connect.Caller, i *workflows.Integration) (*connect.Credential, error) {
	c, err := l.book.Credential(ctx, placeOf(who))
	if err != nil {
		return nil, lendError(who, err)
	}
	if want := kindOf(i); c.Kind != want {
		return nil, &connect.Error{Reason: connect.ReasonInvalid,
			Detail: fmt.Sprintf("the credential is of kind %s, and integration %s asks for %s: set it again", c.Kind, i.Name, want)}
	}
	if c, err = l.fresh(ctx, c, i); err != nil {
		return nil, lendError(who, err)
	}
	return lent(c), nil
}

// Refresh replaces a credential that the far side refused. It fails with a
// *connect.Error.
func (l *Lender) Refresh(ctx context.Context, who connect.Caller, i *workflows.Integration, refused *connect.Credential) (*connect.Credential, error) {
	place := placeOf(who)
	c, err := l.book.readCredential(ctx, place)
	if err != nil {
		return nil, lendError(who, err)
	}
	if numberOf(c) != refused.Version {
		return lent(c), nil // it was renewed, or set anew, meanwhile
	}
	again := func(why string) error {
		return &connect.Error{Reason: connect.ReasonInvalid, Detail: fmt.Sprintf("the API refuses the credential for %s: %s", who.Integration, why)}
	}
	switch {
	case c.Kind != KindOAuth2:
		return nil, again("set it again")
	case c.Secret.RefreshToken == "":
		return nil, again("there is no refresh token; connect it again")
	case c.Version > 0 && l.book.now().Sub(c.UpdatedAt) < early/2:
		return nil, again("its token is new, so that another one would not help")
	}
	if c, err = l.renew(ctx, c, i); err != nil {
		return nil, lendError(who, err)
	}
	return lent(c), nil
}

func placeOf(who connect.Caller) Place {
	return withAccount(Place{Project: who.Project, User: who.User, Integration: who.Integration, Account: who.Account})
}

// numberOf makes one number of generation and version: 16 million tokens of one
// consent are more than there ever will be.
func numberOf(c *Credential) int64 { return c.Generation<<24 | c.Version }

func lent(c *Credential) *connect.Credential {
	return &connect.Credential{Username: c.Secret.Username, Password: c.Secret.Password, Token: c.Secret.Token, Key: c.Secret.Key,
		ClientID: c.Secret.ClientID, ClientSecret: c.Secret.ClientSecret, Settings: c.Settings, Version: numberOf(c)}
}

// kindOf is the kind of credential that an integration asks for; empty for none.
func kindOf(i *workflows.Integration) string {
	switch i.Auth() {
	case workflows.AuthBasic:
		return KindBasic
	case workflows.AuthBearer:
		return KindBearer
	case workflows.AuthAPIKey:
		return KindAPIKey
	case workflows.AuthClientCredentials:
		return KindClient
	case workflows.AuthAuthorizationCode:
		return KindOAuth2
	}
	return ""
}

// lendError says to who calls an integration why there is no credential.
func lendError(who connect.Caller, err error) error {
	var invalid *InvalidError
	var own *connect.Error
	whose := "the project"
	if who.User != "" {
		whose = "user " + who.User
	}
	switch {
	case errors.As(err, &own):
		return err
	case errors.As(err, &invalid):
		return &connect.Error{Reason: connect.ReasonInvalid, Detail: invalid.Error()}
	case errors.Is(err, ErrNoUser):
		return &connect.Error{Reason: connect.ReasonNoUser, Detail: fmt.Sprintf("there is no %s in project %s", whose, who.Project)}
	case errors.Is(err, ErrDisabled):
		return &connect.Error{Reason: connect.ReasonDisabled, Detail: whose + " is disabled"}
	case errors.Is(err, ErrNoCredential):
		account := ""
		if who.Account != "" {
			account = " (account " + who.Account + ")"
		}
		return &connect.Error{Reason: connect.ReasonNoCredential, Detail: fmt.Sprintf("%s has no credential for integration %s%s", whose, who.Integration, account)}
	}
	return &connect.Error{Reason: connect.ReasonUnavailable, Detail: fmt.Sprintf("the credential of %s for integration %s can't be had now", whose, who.Integration), Err: err}
}

// clientOf is the OAuth2 client of an integration, at the addresses that a
// credential's settings give. It fails with a *connect.Error.
func clientOf(config Configuration, project string, i *workflows.Integration, given map[string]any) (*oauth.Client, error) {
	broken := func(format string, args ...any) error {
		return &connect.Error{Reason: connect.ReasonBroken, Detail: fmt.Sprintf(format, args...)}
	}
	o := i.Spec.Auth
	if o == nil || o.OAuth2 == nil {
		return nil, broken("integration %s has no OAuth2", i.Name)
	}
	p := config.Project(project)
	if p == nil {
		return nil, &connect.Error{Reason: connect.ReasonUnavailable, Detail: fmt.Sprintf("project %s is not known here yet", project)}
	}
	spec := o.OAuth2
	c := &oauth.Client{Scopes: spec.Scopes, ScopeSeparator: spec.ScopeSeparator, PKCE: spec.PKCE == nil || *spec.PKCE, Auth: spec.ClientAuth,
		AuthorizationParams: spec.AuthorizationParams, TokenParams: spec.TokenParams}
	settings, wrong := i.Settings(given)
	if len(wrong) > 0 {
		return nil, &connect.Error{Reason: connect.ReasonInvalid, Detail: fmt.Sprintf("the settings of the credential for integration %s: %s %s", i.Name, wrong[0].Field, wrong[0].Message)}
	}
	secret := func(to *string, name string) error {
		value, ok := p.Secret(name)
		if !ok {
			return broken("integration %s names secret %s, which is not there; set it with: paragonctl secret set %s", i.Name, name, name)
		}
		*to = value
		return nil
	}
	var errs []error
	if id := spec.ClientID; id != nil {
		if c.ID = id.Text; id.Secret != "" {
			errs = append(errs, secret(&c.ID, id.Secret))
		}
	}
	if s := spec.ClientSecret; s != nil {
		errs = append(errs, secret(&c.Secret, s.Secret))
	}
	authorization, err1 := i.AuthorizationURL(settings)
	token, err2 := i.TokenURL(settings)
	revocation, err3 := i.RevocationURL(settings)
	if err := errors.Join(append(errs, err1, err2, err3)...); err != nil {
		return nil, err
	}
	c.TokenURL = token.String()
	if authorization != nil {
		c.AuthorizationURL = authorization.String()
	}
	if revocation != nil {
		c.RevocationURL = revocation.String()
	}
	if i.Spec.Auth.OAuth2.Grant == schema.GrantAuthorizationCode && c.ID == "" {
		return nil, broken("integration %s has no client id", i.Name)
	}
	return c, nil
}
