package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"paragon/workflows/exchange"
)

const (
	// Timeout bounds one request for a token.
	Timeout = 20 * time.Second
	// longestToken bounds what is taken for a token, in bytes; longestLife what a
	// server may say of its end.
	longestToken = 16 << 10
	longestLife  = 10 * 365 * 24 * time.Hour
	maxAnswer    = 1 << 20
)

// The ways to send a client's secret to the token endpoint (RFC 6749 section
// 2.3.1). Empty tries basic, then post.
const (
	AuthBasic = "basic"
	AuthPost  = "post"
)

// Client is an OAuth2 client and its server.
type Client struct {
	AuthorizationURL, TokenURL, RevocationURL string
	// ID is the client's; Secret is empty for a public client.
	ID, Secret     string
	Scopes         []string
	ScopeSeparator string // empty: a space
	// PKCE binds the code to who asked for it (RFC 7636).
	PKCE bool
	// Auth is basic, post, or empty.
	Auth string
	// AuthorizationParams are added to the authorization URL, TokenParams to each
	// request for a token.
	AuthorizationParams, TokenParams map[string]string
}

// Token is what a token endpoint answered.
type Token struct {
	Access string
	// Refresh is empty when the server gave none.
	Refresh string
	// ExpiresIn is how long the access token counts; 0: not said.
	ExpiresIn time.Duration
}

// RefusedError is the answer of a server that will not give a token: asking
// again is useless.
type RefusedError struct {
	// Code is that of RFC 6749 section 5.2, or empty.
	Code string
	text string
}

// Error is the server's reason.
func (e *RefusedError) Error() string { return e.text }

// NewVerifier makes the secret that PKCE binds a code to (RFC 7636 section 4.1).
func NewVerifier() string { return oauth2.GenerateVerifier() }

// AuthorizeURL is where the browser of who consents is sent.
func (c *Client) AuthorizeURL(redirect, state, verifier string) (string, error) {
	u, err := url.Parse(c.AuthorizationURL)
	if err != nil {
		return "", errors.New("the authorization URL can't be read")
	}
	q := u.Query()
	for name, value := range c.AuthorizationParams {
		q.Set(name, value)
	}
	q.Set("response_type", "code")
	q.Set("client_id", c.ID)
	q.Set("redirect_uri", redirect)
	q.Set("state", state)
	if scope := c.scope(); scope != "" {
		q.Set("scope", scope)
	}
	if c.PKCE {
		q.Set("code_challenge", oauth2.S256ChallengeFromVerifier(verifier))
		q.Set("code_challenge_method", "S256")
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

func (c *Client) scope() string {
	separator := c.ScopeSeparator
	if separator == "" {
		separator = " "
	}
	return strings.Join(c.Scopes, separator)
}

// Exchange makes tokens of an authorization code (RFC 6749 section 4.1.3). It
// fails with a *RefusedError, or with an error that may pass.
func (c *Client) Exchange(ctx context.Context, h *exchange.Client, code, redirect, verifier string) (*Token, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}}
	if c.PKCE {
		form.Set("code_verifier", verifier)
	}
	return c.token(ctx, h, form)
}

// Refresh makes a new access token (RFC 6749 section 6), and with it perhaps a
// new refresh token, after which the old one may not count any more. It fails
// with a *RefusedError, or with an error that may pass.
func (c *Client) Refresh(ctx context.Context, h *exchange.Client, refresh string) (*Token, error) {
	return c.token(ctx, h, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}})
}

// ClientCredentials makes a token of the client's own (RFC 6749 section 4.4).
func (c *Client) ClientCredentials(ctx context.Context, h *exchange.Client) (*Token, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if scope := c.scope(); scope != "" {
		form.Set("scope", scope)
	}
	return c.token(ctx, h, form)
}

// token asks for a token. A server that refuses the client is asked again with
// the secret in the other place, unless the client says where it goes: only that
// answer is certain to have left code and refresh token as they were.
func (c *Client) token(ctx context.Context, h *exchange.Client, form url.Values) (*Token, error) {
	for name, value := range c.TokenParams {
		form.Set(name, value)
	}
	inBody := c.Auth == AuthPost || c.Secret == ""
	t, err := c.ask(ctx, h, form, inBody)
	var refused *RefusedError
	if c.Auth == "" && c.Secret != "" && errors.As(err, &refused) && refused.Code == "invalid_client" {
		return c.ask(ctx, h, form, true)
	}
	return t, err
}

// answer is what a token endpoint may say (RFC 6749 sections 5.1 and 5.2).
type answer struct {
	AccessToken  string          `json:"access_token"`
	RefreshToken string          `json:"refresh_token"`
	TokenType    string          `json:"token_type"`
	ExpiresIn    json.RawMessage `json:"expires_in"`
	Error        string          `json:"error"`
	Description  string          `json:"error_description"`
}

func (c *Client) ask(ctx context.Context, h *exchange.Client, form url.Values, inBody bool) (*Token, error) {
	resp, err := c.post(ctx, h, c.TokenURL, form, inBody)
	if err != nil {
		return nil, err
	}
	a, readable := decode(resp)
	where := endpoint(c.TokenURL)
	reason := strings.TrimSpace(printable(a.Error) + " " + printable(a.Description))
	for _, secret := range []string{form.Get("code"), form.Get("refresh_token"), form.Get("code_verifier"), c.Secret} {
		if secret != "" { // a server may repeat what it got
			reason = strings.ReplaceAll(reason, secret, "***")
		}
	}
	switch {
	// Some servers answer an error with 200.
	case a.Error != "" && (resp.Status < 500 || resp.Status == 200) && resp.Status != http.StatusTooManyRequests && !passing(a.Error):
		return nil, &RefusedError{printable(a.Error), where + ": " + reason}
	case resp.Status == http.StatusUnauthorized:
		return nil, &RefusedError{"invalid_client", fmt.Sprintf("%s: %d %s", where, resp.Status, reason)}
	case resp.Status != http.StatusOK && resp.Status != http.StatusCreated:
		return nil, fmt.Errorf("%s: %d %s", where, resp.Status, strings.TrimSpace(http.StatusText(resp.Status)+" "+reason))
	case !readable:
		return nil, errors.New(where + ": the answer is not the JSON of RFC 6749 section 5.1")
	case a.AccessToken == "":
		return nil, errors.New(where + ": the answer has no access_token")
	case len(a.AccessToken) > longestToken || len(a.RefreshToken) > longestToken || !exchange.ValidHeaderValue(a.AccessToken):
		return nil, errors.New(where + ": the access_token can't be sent in a header")
	}
	return &Token{Access: a.AccessToken, Refresh: a.RefreshToken, ExpiresIn: lifetime(a.ExpiresIn)}, nil
}

// passing tells the error codes after which the same request may succeed later.
func passing(code string) bool {
	return code == "temporarily_unavailable" || code == "server_error" || code == "slow_down"
}

func decode(resp *exchange.Response) (a answer, readable bool) {
	if mt, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && mt == "application/x-www-form-urlencoded" {
		q, err := url.ParseQuery(string(resp.Body))
		a = answer{AccessToken: q.Get("access_token"), RefreshToken: q.Get("refresh_token"), TokenType: q.Get("token_type"),
			ExpiresIn: json.RawMessage(q.Get("expires_in")), Error: q.Get("error"), Description: q.Get("error_description")}
		return a, err == nil
	}
	err := json.Unmarshal(resp.Body, &a)
	return a, err == nil
}

// Revoke takes a token back (RFC 7009). Without a revocation endpoint it does
// nothing.
func (c *Client) Revoke(ctx context.Context, h *exchange.Client, token, hint string) error {
	if c.RevocationURL == "" || token == "" {
		return nil
	}
	resp, err := c.post(ctx, h, c.RevocationURL, url.Values{"token": {token}, "token_type_hint": {hint}}, c.Auth == AuthPost || c.Secret == "")
	if err == nil && resp.Status >= 400 {
		err = fmt.Errorf("%s: %d %s", endpoint(c.RevocationURL), resp.Status, http.StatusText(resp.Status))
	}
	return err
}

func (c *Client) post(ctx context.Context, h *exchange.Client, to string, form url.Values, inBody bool) (*exchange.Response, error) {
	if inBody {
		form.Set("client_id", c.ID)
		if c.Secret != "" {
			form.Set("client_secret", c.Secret)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("the request for a token can't be made")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if !inBody {
		req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	}
	// A redirect would carry the credentials along.
	return h.Do(ctx, req, exchange.Options{Timeout: Timeout, MaxBody: maxAnswer, MaxRedirects: -1})
}

func endpoint(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the token endpoint"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// printable bounds a far side's text, without control characters.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200]) + "…"
	}
	return text
}

// lifetime reads expires_in: seconds, which some servers write as a text.
func lifetime(raw json.RawMessage) time.Duration {
	seconds, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil || seconds <= 0 {
		return 0
	}
	return time.Duration(min(seconds, longestLife.Seconds()) * float64(time.Second))
}
