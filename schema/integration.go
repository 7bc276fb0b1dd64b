package schema

import (
	"bytes"
	"encoding/json"
	"errors"
)

// IntegrationSpec is the spec of an Integration: a third-party API, and how
// requests to it are authenticated. A template in it sees settings, those of the
// credential that is used; never a secret.
type IntegrationSpec struct {
	// Description says what the API is.
	Description string `json:"description,omitempty"`
	// BaseURL is what the path of a request is appended to (template over
	// settings). The credential is sent to its scheme, host and port alone.
	BaseURL string `json:"baseUrl"`
	// Auth says how requests are authenticated. Default none.
	Auth *IntegrationAuth `json:"auth,omitempty"`
	// Headers are sent with each request that does not set them (templates over
	// settings).
	Headers map[string]string `json:"headers,omitempty"`
	// Settings is a JSON Schema (draft 2020-12) of what a credential must bring
	// beside its token, such as a subdomain. The default of a property holds for
	// a credential that does not bring it.
	Settings map[string]any `json:"settings,omitempty"`
	// Timeout bounds a request, unless the step says otherwise. Default 30s.
	Timeout Duration `json:"timeout,omitempty"`
	// RateLimit is what the API lets a credential do.
	RateLimit *IntegrationRate `json:"rateLimit,omitempty"`
	// Retry says when the proxy tries again; steps have a policy of their own.
	Retry *RetrySpec `json:"retry,omitempty"`
	// Pagination is how the API's lists are paged: for a request step whose
	// pagination leaves out items or nextPage.
	Pagination *IntegrationPages `json:"pagination,omitempty"`
}

// IntegrationAuth has exactly one field. A part that names a secret belongs to
// the credential that the project shares; when it is left out, users bring their
// own.
type IntegrationAuth struct {
	// None sends no credential.
	None *NoAuth `json:"none,omitempty"`
	// Basic is HTTP basic authentication (RFC 7617).
	Basic *IntegrationBasic `json:"basic,omitempty"`
	// Bearer is a bearer token (RFC 6750).
	Bearer *IntegrationBearer `json:"bearer,omitempty"`
	// APIKey is a key in a header or in the query.
	APIKey *IntegrationKey `json:"apiKey,omitempty"`
	// OAuth2 fetches tokens (RFC 6749).
	OAuth2 *IntegrationOAuth2 `json:"oauth2,omitempty"`
}

// NoAuth is no authentication.
type NoAuth struct{}

// IntegrationBasic is HTTP basic authentication.
type IntegrationBasic struct {
	// Username is the user name, or the Secret that holds it.
	Username *TextOrSecret `json:"username,omitempty"`
	// Password is the Secret that holds the password; as a text only where it is
	// none, for APIs that take their key as the user name.
	Password *TextOrSecret `json:"password,omitempty"`
}

// IntegrationBearer is a bearer token.
type IntegrationBearer struct {
	// Token is the Secret that holds the token.
	Token *SecretName `json:"token,omitempty"`
}

// IntegrationKey is a key that is sent in exactly one of header and query.
type IntegrationKey struct {
	// Header carries the key.
	Header string `json:"header,omitempty"`
	// Query is the parameter that carries the key.
	Query string `json:"query,omitempty"`
	// Prefix stands before the key ("Token ").
	Prefix string `json:"prefix,omitempty"`
	// Key is the Secret that holds the key.
	Key *SecretName `json:"key,omitempty"`
}

// IntegrationOAuth2 is an OAuth2 client and what it asks for.
type IntegrationOAuth2 struct {
	// Grant is clientCredentials (RFC 6749 section 4.4: the client acts for
	// itself) or authorizationCode (section 4.1: users consent).
	Grant string `json:"grant" enum:"clientCredentials,authorizationCode"`
	// AuthorizationURL is where users are sent to consent (template over
	// settings).
	AuthorizationURL string `json:"authorizationUrl,omitempty"`
	// TokenURL gives tokens (template over settings).
	TokenURL string `json:"tokenUrl"`
	// RevocationURL takes tokens back (RFC 7009, template over settings).
	RevocationURL string `json:"revocationUrl,omitempty"`
	// ClientID is the client's id, or the Secret that holds it.
	ClientID *TextOrSecret `json:"clientId,omitempty"`
	// ClientSecret is the Secret that holds the client's secret; a public client
	// has none.
	ClientSecret *SecretName `json:"clientSecret,omitempty"`
	// Scopes are asked for.
	Scopes []string `json:"scopes,omitempty"`
	// ScopeSeparator stands between the scopes. Default a space, as RFC 6749 has
	// it.
	ScopeSeparator string `json:"scopeSeparator,omitempty"`
	// PKCE binds the code to who asked for it (RFC 7636, S256). Default true.
	PKCE *bool `json:"pkce,omitempty"`
	// ClientAuth says how the client's secret is sent to the token endpoint: in
	// the Authorization header (basic) or in the body (post). By default basic,
	// and post where that is refused.
	ClientAuth string `json:"clientAuth,omitempty" enum:"basic,post"`
	// AuthorizationParams are added to the authorization URL.
	AuthorizationParams map[string]string `json:"authorizationParams,omitempty"`
	// TokenParams are added to each request for a token.
	TokenParams map[string]string `json:"tokenParams,omitempty"`
	// TokenHeader is the header that carries the access token, as it is, to an API
	// that does not take it as a bearer token in Authorization.
	TokenHeader string `json:"tokenHeader,omitempty"`
}

// IntegrationRate is how many requests an API takes of one credential.
type IntegrationRate struct {
	// Limit is the number of requests.
	Limit int `json:"limit,omitempty" min:"1" max:"1000000"`
	// Per is the time.
	Per Duration `json:"per,omitempty"`
	// Headers are those in which the API says what is left.
	Headers *RateHeaders `json:"headers,omitempty"`
}

// RateHeaders are the headers in which an API tells its limit.
type RateHeaders struct {
	// Limit is the header with the number of requests in the time.
	Limit string `json:"limit,omitempty"`
	// Remaining is the header with how many of them are left.
	Remaining string `json:"remaining,omitempty"`
	// Reset is the header with when they are whole again: seconds from now, a
	// Unix time in seconds or milliseconds, or a date.
	Reset string `json:"reset,omitempty"`
}

// IntegrationPages is how the lists of an API are paged: the fields of a request's
// pagination, over response and page, each of which a step may set itself.
type IntegrationPages struct {
	// Items is the list in a page (expression).
	Items string `json:"items,omitempty"`
	// NextPage gives the next page's URL, or a map of query parameters to
	// change; null ends. The word link follows the Link header (RFC 8288).
	NextPage any `json:"nextPage,omitempty"`
}

// SecretName names a Secret of the project.
type SecretName struct {
	// Secret is its name.
	Secret string `json:"secret"`
}

// TextOrSecret is a text, or {secret: NAME}.
type TextOrSecret struct{ Text, Secret string }

// MarshalJSON writes the text, or the object that names the secret.
func (t TextOrSecret) MarshalJSON() ([]byte, error) {
	if t.Secret != "" {
		return json.Marshal(SecretName{t.Secret})
	}
	return json.Marshal(t.Text)
}

// UnmarshalJSON reads either form.
func (t *TextOrSecret) UnmarshalJSON(data []byte) error {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &t.Text)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var name SecretName
	if err := d.Decode(&name); err != nil || name.Secret == "" {
		return errors.New(`a text or {"secret": "NAME"} is wanted`)
	}
	t.Secret = name.Secret
	return nil
}

// The grants of IntegrationOAuth2.
const (
	GrantClientCredentials = "clientCredentials"
	GrantAuthorizationCode = "authorizationCode"
)
