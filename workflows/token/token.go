package token

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"paragon/workflows/exchange"
)

const (
	// unknownLifetime is how long a token is used whose answer does not say.
	unknownLifetime = 30 * time.Minute
	// mostTokens bounds the cache.
	mostTokens = 4096
	// tokenTimeout bounds one request for a token.
	tokenTimeout = 20 * time.Second
	// longestToken bounds what is taken for a token, in bytes.
	longestToken = 16 << 10
)

// Client is an OAuth2 client and what it asks for. It is the key of a token: a
// secret that was rotated is another client.
type Client struct {
	// URL is the token endpoint, ID and Secret are the client's, Scope is what it
	// asks for as the endpoint wants it.
	URL, ID, Secret, Scope string
	// Auth says how the secret is sent: in the Authorization header (basic) or in
	// the body (post); empty tries the one, then the other.
	Auth string
	// Params are further parameters of the request, encoded as a form.
	Params string
}

// Cache fetches and keeps tokens. It is safe for concurrent use and meant to be
// shared.
type Cache struct {
	http *exchange.Client

	mu      sync.Mutex
	entries map[Client]*token
}

// Error is an answer of a token endpoint that has no token.
type Error struct {
	// Status is that of an answer other than 200; 0 when what it says can't be
	// used.
	Status int
	// Message says which endpoint, and what is wrong. It holds no secret of the
	// client's.
	Message string
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// token is the state of one client. Whoever holds the turn may read and write
// the rest.
type token struct {
	turn            chan struct{}
	value           string
	expires, renew  time.Time
	secretInTheBody bool // the server does not take HTTP basic authentication
}

// New makes a cache that fetches with a client, in that client's time.
func New(c *exchange.Client) *Cache {
	return &Cache{http: c, entries: map[Client]*token{}}
}

// entry finds or makes a client's entry, and takes the turn.
func (t *Cache) entry(ctx context.Context, c Client) (*token, error) {
	t.mu.Lock()
	e := t.entries[c]
	if e == nil {
		if len(t.entries) >= mostTokens {
			// Any will do: what is still used is fetched again.
			for other := range t.entries {
				delete(t.entries, other)
				break
			}
		}
		e = &token{turn: make(chan struct{}, 1)}
		t.entries[c] = e
	}
	t.mu.Unlock()
	select {
	case e.turn <- struct{}{}:
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Get returns a token that is good for a while, and whether it was fetched now.
// It fails with an *Error, an *exchange.Error, or that of ctx.
func (t *Cache) Get(ctx context.Context, c Client) (value string, fetched bool, err error) {
	e, err := t.entry(ctx, c)
	if err != nil {
		return "", false, err
	}
	defer func() { <-e.turn }()
	now := t.http.Time().Now()
	if e.value != "" && now.Before(e.renew) {
		return e.value, false, nil
	}
	if err := t.fetch(ctx, c, e); err != nil {
		if e.value != "" && now.Before(e.expires) && ctx.Err() == nil {
			return e.value, false, nil // it was early to renew; the next step tries again
		}
		return "", false, err
	}
	return e.value, true, nil
}

// Drop forgets a token that the far side refused, unless it was replaced since.
func (t *Cache) Drop(ctx context.Context, c Client, value string) {
	e, err := t.entry(ctx, c)
	if err != nil {
		return
	}
	defer func() { <-e.turn }()
	if e.value == value {
		e.value = ""
	}
}

// fetch asks the token endpoint. A server that does not take the credentials in
// the Authorization header is asked again with them in the body (RFC 6749
// section 2.3.1), and that is remembered.
func (t *Cache) fetch(ctx context.Context, c Client, e *token) error {
	inBody := c.Auth == "post" || e.secretInTheBody
	status, body, err := t.ask(ctx, c, inBody)
	if err != nil {
		return err
	}
	if c.Auth == "" && !inBody && (status == http.StatusUnauthorized || status == http.StatusBadRequest) {
		again, other, err := t.ask(ctx, c, true)
		if err == nil && again == http.StatusOK {
			e.secretInTheBody = true
			status, body = again, other
		}
	}
	var answer struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
		Error       string          `json:"error"`
		Description string          `json:"error_description"`
	}
	where := tokenEndpoint(c)
	decodeErr := json.Unmarshal(body, &answer)
	if status != http.StatusOK {
		message := fmt.Sprintf("%s: %d %s", where, status, http.StatusText(status))
		if reason := strings.TrimSpace(answer.Error + " " + answer.Description); reason != "" {
			message += ": " + exchange.Snippet(reason, 200)
		}
		return &Error{Status: status, Message: message}
	}
	bad := func(why string) error { return &Error{Message: where + ": " + why} }
	switch {
	case decodeErr != nil:
		return bad("the answer is not the JSON of RFC 6749 section 5.1")
	case answer.AccessToken == "":
		return bad("the answer has no access_token")
	case len(answer.AccessToken) > longestToken || !exchange.ValidHeaderValue(answer.AccessToken):
		return bad("the access_token can't be sent in a header")
	case answer.TokenType != "" && !strings.EqualFold(answer.TokenType, "bearer"):
		return bad(fmt.Sprintf("the token is of type %q, not bearer", exchange.Snippet(answer.TokenType, 20)))
	}
	lifetime := lifetime(answer.ExpiresIn)
	now := t.http.Time().Now()
	e.value, e.expires = answer.AccessToken, now.Add(lifetime)
	e.renew = e.expires.Add(-min(time.Minute, lifetime/5))
	return nil
}

func tokenEndpoint(c Client) string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return "the token endpoint"
	}
	return "POST " + exchange.RedactURL(u, nil) + " (OAuth2 token)"
}

// lifetime reads expires_in: seconds, which some servers write as a string.
func lifetime(raw json.RawMessage) time.Duration {
	var seconds float64
	if json.Unmarshal([]byte(strings.Trim(string(raw), `"`)), &seconds) != nil || seconds <= 0 {
		return unknownLifetime
	}
	return time.Duration(min(seconds, (365*24*time.Hour).Seconds()) * float64(time.Second))
}

func (t *Cache) ask(ctx context.Context, c Client, inBody bool) (status int, body []byte, err error) {
	form, err := url.ParseQuery(c.Params)
	if err != nil {
		return 0, nil, &Error{Message: "the parameters of the request for a token can't be read"}
	}
	form.Set("grant_type", "client_credentials")
	if c.Scope != "" {
		form.Set("scope", c.Scope)
	}
	if inBody {
		form.Set("client_id", c.ID)
		form.Set("client_secret", c.Secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, &Error{Message: "tokenUrl: the request can't be made"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if !inBody {
		req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	}
	// A redirect would carry the credentials along.
	resp, err := t.http.Do(ctx, req, exchange.Options{Timeout: tokenTimeout, MaxBody: 1 << 20, MaxRedirects: -1})
	if err != nil {
		return 0, nil, err
	}
	return resp.Status, resp.Body, nil
}
