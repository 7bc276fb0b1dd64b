package users

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"paragon/engine/store"
)

// User is one of the product's own users.
type User struct {
	Project, ID string
	// Meta is a JSON object; nil for none.
	Meta       json.RawMessage
	Disabled   bool
	Generation int64
}

// redisUser is a user as Redis holds it.
type redisUser struct {
	Meta     json.RawMessage `json:"meta,omitempty"`
	Disabled bool            `json:"disabled,omitempty"`
}

// User returns a user, who may be disabled. It fails with ErrNoUser or
// ErrUnavailable.
func (b *Book) User(ctx context.Context, project, id string) (*User, error) {
	v, err := b.value(ctx, userKey(project, id), shardOf(project, id), func(h hash) (any, error) {
		var r redisUser
		if err := json.Unmarshal([]byte(h.body), &r); err != nil {
			return nil, fmt.Errorf("read user %s: %w", id, err)
		}
		return &User{Project: project, ID: id, Meta: r.Meta, Disabled: r.Disabled, Generation: h.generation}, nil
	})
	if err != nil {
		return nil, err
	}
	if u, ok := v.(*User); ok {
		return u, nil
	}
	return nil, ErrNoUser
}

// Active returns a user who is not disabled, else ErrDisabled.
func (b *Book) Active(ctx context.Context, project, id string) (*User, error) {
	u, err := b.User(ctx, project, id)
	if err == nil && u.Disabled {
		return nil, ErrDisabled
	}
	return u, err
}

// userHash is a stored user as Redis holds it.
func userHash(u *store.User) hash {
	return hash{u.Generation, 0, asJSON(redisUser{Meta: u.Meta, Disabled: u.Disabled})}
}

// redisCredential is a credential as Redis holds it.
type redisCredential struct {
	Kind      string          `json:"kind"`
	Sealed    []byte          `json:"sealed"`
	Settings  json.RawMessage `json:"settings,omitempty"`
	Status    string          `json:"status"`
	Reason    string          `json:"reason,omitempty"`
	ExpiresAt time.Time       `json:"expiresAt,omitzero"`
	UpdatedAt time.Time       `json:"updatedAt"`
}

func credentialHash(c *store.Credential) hash {
	return hash{c.Generation, c.Version, asJSON(redisCredential{Kind: c.Kind, Sealed: c.Sealed, Settings: c.Settings, Status: c.Status,
		Reason: c.Reason, ExpiresAt: c.ExpiresAt, UpdatedAt: c.UpdatedAt})}
}

// The kinds of credentials.
const (
	KindBasic  = "basic"
	KindBearer = "bearer"
	KindAPIKey = "apiKey"
	KindClient = "client"
	KindOAuth2 = "oauth2"
)

// Secret is what a credential holds, by its kind.
type Secret struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	Key      string `json:"key,omitempty"`
	// Token is a bearer token, or the access token of OAuth2.
	Token        string `json:"token,omitempty"`
	RefreshToken string `json:"refreshToken,omitempty"`
	// ClientID and ClientSecret are of a user's own OAuth2 client.
	ClientID     string `json:"clientId,omitempty"`
	ClientSecret string `json:"clientSecret,omitempty"`
}

// Credential is an opened credential. It is immutable.
type Credential struct {
	Place
	Kind     string
	Secret   Secret
	Settings map[string]any
	// Status is valid or invalid, with the reason.
	Status, Reason string
	// ExpiresAt is when the access token ends; zero: not known.
	ExpiresAt time.Time
	// UpdatedAt is when it was written, or its token renewed.
	UpdatedAt           time.Time
	Generation, Version int64

	settings json.RawMessage
}

// Credential returns a credential of an active user, or of the project, as it
// is: its token may have ended. It fails with ErrNoUser, ErrDisabled,
// ErrNoCredential, *InvalidError or ErrUnavailable.
func (b *Book) Credential(ctx context.Context, p Place) (*Credential, error) {
	p = withAccount(p)
	if p.User != "" {
		if _, err := b.Active(ctx, p.Project, p.User); err != nil {
			return nil, err
		}
	}
	v, err := b.value(ctx, credentialKey(p), shardOf(p.Project, p.User), func(h hash) (any, error) { return b.open(p, h) })
	if err != nil {
		return nil, err
	}
	return usable(p, v)
}

// readCredential reads a credential from Redis, whatever memory has.
func (b *Book) readCredential(ctx context.Context, p Place) (*Credential, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	h, err := readHash(ctx, b.rdb, credentialKey(p), shardOf(p.Project, p.User))
	if err != nil {
		return nil, err
	}
	if h.body == "" {
		return nil, ErrNoCredential
	}
	c, err := b.open(p, h)
	if err != nil {
		return nil, err
	}
	return usable(p, c)
}

// usable refuses what is no credential, and one that is invalid.
func usable(p Place, v any) (*Credential, error) {
	c, ok := v.(*Credential)
	if !ok {
		return nil, ErrNoCredential
	}
	if c.Status != store.CredentialValid {
		return nil, &InvalidError{p, c.Reason}
	}
	return c, nil
}

// open opens what Redis holds of a credential.
func (b *Book) open(p Place, h hash) (*Credential, error) {
	var r redisCredential
	if err := json.Unmarshal([]byte(h.body), &r); err != nil {
		return nil, fmt.Errorf("read the credential for %s: %w", p.Integration, err)
	}
	c := &Credential{Place: p, Kind: r.Kind, Status: r.Status, Reason: r.Reason, ExpiresAt: r.ExpiresAt, UpdatedAt: r.UpdatedAt,
		Generation: h.generation, Version: h.version, settings: r.Settings}
	if len(r.Settings) > 0 {
		if err := json.Unmarshal(r.Settings, &c.Settings); err != nil {
			return nil, fmt.Errorf("read the settings of the credential for %s: %w", p.Integration, err)
		}
	}
	plain, err := b.config.Open(p.Project, r.Sealed, sealedFor(p))
	if err != nil {
		return nil, fmt.Errorf("open the credential for %s: %w", p.Integration, err)
	}
	if err := json.Unmarshal(plain, &c.Secret); err != nil {
		// The error's text may hold a piece of it.
		return nil, fmt.Errorf("open the credential for %s: what it holds can't be read", p.Integration)
	}
	return c, nil
}

// seal makes the sealed form of what a credential holds.
func (b *Book) seal(p Place, s Secret) ([]byte, error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("seal the credential for %s: it can't be written", p.Integration)
	}
	sealed, err := b.config.Seal(p.Project, plain, sealedFor(p))
	if err != nil {
		return nil, fmt.Errorf("seal the credential for %s: %w", p.Integration, err)
	}
	return sealed, nil
}
