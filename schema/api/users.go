package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// The headers by which a key says for whom it calls, and with which of that
// user's accounts.
const (
	HeaderUser    = "Paragon-User"
	HeaderAccount = "Paragon-Account"
)

// DefaultAccount is the account of a credential whose name is left out.
const DefaultAccount = "default"

// User is one of the product's own users.
type User struct {
	ID        string          `json:"id"`
	Meta      json.RawMessage `json:"meta,omitempty"`
	Disabled  bool            `json:"disabled,omitempty"`
	CreatedAt time.Time       `json:"createdAt"`
	UpdatedAt time.Time       `json:"updatedAt"`
}

// PutUserRequest is the body of PUT …/users/{id}. What is left out of a user
// that exists stays as it is.
type PutUserRequest struct {
	// Meta is a JSON object that workflows read as user.meta.
	Meta     json.RawMessage `json:"meta,omitempty"`
	Disabled *bool           `json:"disabled,omitempty"`
}

// UserKey is a public key that the product signs its users' tokens with.
type UserKey struct {
	ID        string    `json:"id"` // the kid of the tokens
	Algorithm string    `json:"algorithm"`
	PublicKey string    `json:"publicKey"` // PEM
	CreatedAt time.Time `json:"createdAt"`
	CreatedBy string    `json:"createdBy"`
}

// PutUserKeyRequest is the body of PUT …/user-keys/{kid}.
type PutUserKeyRequest struct {
	// PublicKey is PEM: "BEGIN PUBLIC KEY" or "BEGIN CERTIFICATE".
	PublicKey string `json:"publicKey"`
	// Algorithm is RS256, ES256 or EdDSA; it follows from the key.
	Algorithm string `json:"algorithm,omitempty"`
}

// Credential is what is shown of a credential: never what it holds.
type Credential struct {
	User        string `json:"user,omitempty"` // empty: the project's shared one
	Integration string `json:"integration"`
	Account     string `json:"account"`
	// Kind is basic, bearer, apiKey, client (of OAuth2 client credentials) or
	// oauth2.
	Kind     string          `json:"kind"`
	Settings json.RawMessage `json:"settings,omitempty"`
	// Status is valid or invalid; Reason says why it is invalid.
	Status    string    `json:"status"`
	Reason    string    `json:"reason,omitempty"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"` // of an access token
	UpdatedAt time.Time `json:"updatedAt"`
	UpdatedBy string    `json:"updatedBy"`
}

// PutCredentialRequest is the body of PUT …/credentials/{integration}/{account}.
// It has the one part that the integration's auth asks for; no answer ever has
// it again.
type PutCredentialRequest struct {
	Basic  *BasicCredential  `json:"basic,omitempty"`
	Bearer *BearerCredential `json:"bearer,omitempty"`
	APIKey *KeyCredential    `json:"apiKey,omitempty"`
	// Client is for the OAuth2 grant clientCredentials.
	Client *ClientCredential `json:"client,omitempty"`
	// OAuth2 takes over tokens that another system got.
	OAuth2 *TokenCredential `json:"oauth2,omitempty"`
	// Settings are what the integration's settings ask for.
	Settings json.RawMessage `json:"settings,omitempty"`
}

// BasicCredential is a user name and a password.
type BasicCredential struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// BearerCredential is a token.
type BearerCredential struct {
	Token string `json:"token"`
}

// KeyCredential is an API key.
type KeyCredential struct {
	Key string `json:"key"`
}

// ClientCredential is an OAuth2 client of the user's own.
type ClientCredential struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
}

// TokenCredential are tokens of OAuth2.
type TokenCredential struct {
	AccessToken  string    `json:"accessToken"`
	RefreshToken string    `json:"refreshToken,omitempty"`
	ExpiresAt    time.Time `json:"expiresAt,omitzero"`
}

// ConnectRequest is the body of POST …/connect.
type ConnectRequest struct {
	// Settings are what the integration's settings ask for.
	Settings json.RawMessage `json:"settings,omitempty"`
	// ReturnTo is where the browser goes afterwards, with status (connected or
	// failed) in the query; without it, a page says how it went.
	ReturnTo string `json:"returnTo,omitempty"`
}

// The states of a Connecting.
const (
	ConnectPending = "pending"
	ConnectDone    = "connected"
	ConnectFailed  = "failed"
)

// Connecting is an authorization under way: its URL is opened in the browser of
// who consents, once.
type Connecting struct {
	ID        string    `json:"id"`
	URL       string    `json:"url,omitempty"`
	ExpiresAt time.Time `json:"expiresAt"`
	Status    string    `json:"status"`
	Error     string    `json:"error,omitempty"`
}

// Users lists the project's users by id.
func (c *Client) Users(ctx context.Context, cursor string, limit int) (*List[User], error) {
	return get[List[User]](ctx, c, c.path("users"), page(cursor, limit))
}

// User returns a user.
func (c *Client) User(ctx context.Context, id string) (*User, error) {
	return get[User](ctx, c, c.path("users", id), nil)
}

// PutUser creates a user, or changes what the request names.
func (c *Client) PutUser(ctx context.Context, id string, req PutUserRequest) (*User, error) {
	return put[User](ctx, c, c.path("users", id), req)
}

// DeleteUser removes a user with its credentials.
func (c *Client) DeleteUser(ctx context.Context, id string) error {
	return c.do(ctx, &call{method: http.MethodDelete, path: c.path("users", id)})
}

// UserKeys lists the public keys of users' tokens.
func (c *Client) UserKeys(ctx context.Context) (*List[UserKey], error) {
	return get[List[UserKey]](ctx, c, c.path("user-keys"), nil)
}

// PutUserKey adds a public key, or replaces the one with its id.
func (c *Client) PutUserKey(ctx context.Context, kid string, req PutUserKeyRequest) (*UserKey, error) {
	return put[UserKey](ctx, c, c.path("user-keys", kid), req)
}

// DeleteUserKey removes a public key: tokens that it signed count no longer.
func (c *Client) DeleteUserKey(ctx context.Context, kid string) error {
	return c.do(ctx, &call{method: http.MethodDelete, path: c.path("user-keys", kid)})
}

// Credentials lists the credentials of a user, or without one the project's
// shared ones.
func (c *Client) Credentials(ctx context.Context, user string) (*List[Credential], error) {
	return get[List[Credential]](ctx, c, c.credentialPath(user), nil)
}

// InvalidCredentials lists the credentials, of users and of the project, that
// must be connected again: those that became so last first, at most 500.
func (c *Client) InvalidCredentials(ctx context.Context) (*List[Credential], error) {
	return get[List[Credential]](ctx, c, c.path("credentials", "invalid"), nil)
}

// PutCredential sets a credential. It can't be read back.
func (c *Client) PutCredential(ctx context.Context, user, integration, account string, req PutCredentialRequest) (*Credential, error) {
	return put[Credential](ctx, c, c.credentialPath(user, integration, account), req)
}

// DeleteCredential removes a credential.
func (c *Client) DeleteCredential(ctx context.Context, user, integration, account string) error {
	return c.do(ctx, &call{method: http.MethodDelete, path: c.credentialPath(user, integration, account)})
}

// Connect begins an authorization: the answer's URL is for the browser of who
// consents.
func (c *Client) Connect(ctx context.Context, user, integration, account string, req ConnectRequest) (*Connecting, error) {
	return post[Connecting](ctx, c, c.credentialPath(user, integration, account, "connect"), req)
}

// Connecting tells how an authorization stands.
func (c *Client) Connecting(ctx context.Context, id string) (*Connecting, error) {
	return get[Connecting](ctx, c, c.path("connects", id), nil)
}

// credentialPath is below a user, or below the project.
func (c *Client) credentialPath(user string, below ...string) string {
	if user == "" {
		return c.path(append([]string{"credentials"}, below...)...)
	}
	return c.path(append([]string{"users", user, "credentials"}, below...)...)
}

// put sends a value, which may be sent again, and decodes the answer.
func put[T any](ctx context.Context, c *Client, path string, in any) (*T, error) {
	var out T
	r := &call{method: http.MethodPut, path: path, again: true}
	if err := r.json(in); err != nil {
		return nil, err
	}
	r.into(&out)
	if err := c.do(ctx, r); err != nil {
		return nil, err
	}
	return &out, nil
}
