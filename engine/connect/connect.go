package connect

import (
	"context"

	"paragon/engine/cache"
	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/exchange"
	"paragon/workflows/token"
)

// Caller is for whom an integration is called.
type Caller struct {
	Project, Integration string
	// User is empty for the project itself, whose shared credential is used.
	User string
	// Account chooses among the credentials of a user for one integration; empty
	// is the default one.
	Account string
}

// Credential is what requests are authenticated with. By the integration's kind
// some of its fields are set.
type Credential struct {
	Username, Password string // basic
	Token              string // bearer, and the access token of authorizationCode
	Key                string // apiKey
	ClientID           string // clientCredentials
	ClientSecret       string
	// Settings are what the integration's settings ask for.
	Settings map[string]any
	// Version changes with each change of the credential.
	Version int64
}

// Credentials finds what users, and the project itself, brought. It is safe for
// concurrent use.
type Credentials interface {
	// Credential returns the caller's credential. It fails with an *Error:
	// ReasonNoCredential when there is none.
	Credential(ctx context.Context, who Caller, i *workflows.Integration) (*Credential, error)
	// Refresh replaces a credential that the far side refused: it returns the
	// one that is there now when it is another one, or fetches a new token. It
	// fails with an *Error; with ReasonInvalid when nothing can be done.
	Refresh(ctx context.Context, who Caller, i *workflows.Integration, refused *Credential) (*Credential, error)
}

// Configuration is the part of the cache that connect reads.
type Configuration interface {
	Project(name string) *cache.Project
}

// Options configure Connect.
type Options struct {
	// Config has the projects' integrations and secrets. Required.
	Config Configuration
	// Credentials are those that users brought; nil for none, so that there are
	// only those that integrations name themselves.
	Credentials Credentials
	// HTTP fetches the tokens of clients that act for themselves; nil for none.
	HTTP *exchange.Client
}

// Connect finds targets. It is safe for concurrent use.
type Connect struct {
	config      Configuration
	credentials Credentials
	tokens      *token.Cache
}

// New makes a Connect.
func New(o Options) *Connect {
	c := &Connect{config: o.Config, credentials: o.Credentials}
	if o.HTTP != nil {
		c.tokens = token.New(o.HTTP)
	}
	return c
}

// Target finds what a call needs. It fails with an *Error.
func (c *Connect) Target(ctx context.Context, who Caller) (*Target, error) {
	project := c.config.Project(who.Project)
	if project == nil {
		return nil, refuse(ReasonUnavailable, "project %s is not known here yet", who.Project)
	}
	i := project.Integration(who.Integration)
	if i == nil {
		return nil, refuse(ReasonUnknown, "there is no integration %q in project %s", who.Integration, who.Project)
	}
	if i.Broken != nil {
		return nil, &Error{Reason: ReasonBroken, Detail: "integration " + who.Integration + " can't be used by this version", Err: i.Broken}
	}
	credential, brought, err := c.find(ctx, project, who, i.Integration)
	if err != nil {
		return nil, err
	}
	return c.target(ctx, who, i.Integration, credential, brought)
}

// Refused is called after the far side's 401: it returns a target with another
// credential, when there is one. It fails with an *Error that says what to do.
func (c *Connect) Refused(ctx context.Context, t *Target) (*Target, error) {
	switch {
	case t.Integration.Auth() == workflows.AuthNone:
		return nil, refuse(ReasonNoCredential, "integration %s sends no credential, and the API wants one", t.Caller.Integration)
	case t.Integration.Auth() == workflows.AuthClientCredentials:
		if err := c.renew(ctx, t); err != nil {
			return nil, err
		}
		return c.target(ctx, t.Caller, t.Integration, t.credential, t.brought)
	case t.brought:
		credential, err := c.credentials.Refresh(ctx, t.Caller, t.Integration, t.credential)
		if err != nil {
			return nil, err
		}
		return c.target(ctx, t.Caller, t.Integration, credential, true)
	}
	return nil, refuse(ReasonInvalid, "the API refuses the credential that integration %s names; look at its secrets", t.Caller.Integration)
}

// find is the caller's credential, and whether it was brought: else it is what
// the integration itself names. What it names all share who have none of their
// own; what the project brought (its own consent, say) is for the project alone,
// so that no call for a user ends up in another's account.
func (c *Connect) find(ctx context.Context, project *cache.Project, who Caller, i *workflows.Integration) (*Credential, bool, error) {
	var missing error
	if c.credentials != nil {
		credential, err := c.credentials.Credential(ctx, who, i)
		if err == nil {
			return credential, true, nil
		}
		if ReasonOf(err) != ReasonNoCredential {
			return nil, false, err
		}
		missing = err
	}
	if !i.Shared() || who.Account != "" && i.Auth() != workflows.AuthNone {
		switch {
		case missing != nil:
			return nil, false, missing
		case who.User != "":
			return nil, false, refuse(ReasonNoCredential, "user %s has no credential for integration %s", who.User, who.Integration)
		}
		return nil, false, refuse(ReasonNoCredential, "the project has no credential for integration %s", who.Integration)
	}
	credential, err := named(project, i)
	return credential, false, err
}

// named is the credential whose secrets the integration names.
func named(project *cache.Project, i *workflows.Integration) (*Credential, error) {
	var absent string
	secret := func(name string) string {
		value, ok := project.Secret(name)
		if !ok && absent == "" {
			absent = name
		}
		return value
	}
	text := func(t *schema.TextOrSecret) string {
		if t.Secret != "" {
			return secret(t.Secret)
		}
		return t.Text
	}
	out := &Credential{}
	switch a := i.Spec.Auth; i.Auth() {
	case workflows.AuthBasic:
		out.Username, out.Password = text(a.Basic.Username), text(a.Basic.Password)
	case workflows.AuthBearer:
		out.Token = secret(a.Bearer.Token.Secret)
	case workflows.AuthAPIKey:
		out.Key = secret(a.APIKey.Key.Secret)
	case workflows.AuthClientCredentials:
		out.ClientID, out.ClientSecret = text(a.OAuth2.ClientID), secret(a.OAuth2.ClientSecret.Secret)
	}
	if absent != "" {
		return nil, refuse(ReasonNoCredential, "integration %s names secret %s, which is not there; set it with: paragonctl secret set %s", i.Name, absent, absent)
	}
	return out, nil
}
