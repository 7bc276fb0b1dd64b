package steps

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"paragon/schema"
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

// client is an OAuth2 client and what it asks for. It is the key of a token: a
// secret that was rotated is another client.
type client struct{ tokenURL, id, secret, scope string }

// tokens fetches and keeps tokens of the client-credentials grant (RFC 6749
// section 4.4). One request at a time is made for each client, however many
// steps wait for it.
type tokens struct {
	http *exchange.Client
	now  func() time.Time

	mu      sync.Mutex
	entries map[client]*token
}

// token is the state of one client. Whoever holds the turn may read and write
// the rest.
type token struct {
	turn            chan struct{}
	value           string
	expires, renew  time.Time
	secretInTheBody bool // the server does not take HTTP basic authentication
}

func newTokens(c *exchange.Client, now func() time.Time) *tokens {
	return &tokens{http: c, now: now, entries: map[client]*token{}}
}

// entry finds or makes a client's entry, and takes the turn.
func (t *tokens) entry(ctx context.Context, c client) (*token, error) {
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

// get returns a token that is good for a while, and whether it was fetched now.
func (t *tokens) get(ctx context.Context, c client) (value string, fetched bool, err error) {
	e, err := t.entry(ctx, c)
	if err != nil {
		return "", false, err
	}
	defer func() { <-e.turn }()
	now := t.now()
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

// drop forgets a token that the far side refused, unless it was replaced since.
func (t *tokens) drop(ctx context.Context, c client, value string) {
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
func (t *tokens) fetch(ctx context.Context, c client, e *token) error {
	status, body, err := t.ask(ctx, c, e.secretInTheBody)
	if err != nil {
		return err
	}
	if !e.secretInTheBody && (status == http.StatusUnauthorized || status == http.StatusBadRequest) {
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
			message += ": " + snippet(reason, snippetLength)
		}
		return &failure{err: &schema.RunError{Type: errorHTTP, Status: status, Message: message}}
	}
	bad := func(why string) error {
		return &failure{err: &schema.RunError{Type: errorResponse, Message: where + ": " + why}}
	}
	switch {
	case decodeErr != nil:
		return bad("the answer is not the JSON of RFC 6749 section 5.1")
	case answer.AccessToken == "":
		return bad("the answer has no access_token")
	case len(answer.AccessToken) > longestToken || !exchange.ValidHeaderValue(answer.AccessToken):
		return bad("the access_token can't be sent in a header")
	case answer.TokenType != "" && !strings.EqualFold(answer.TokenType, "bearer"):
		return bad(fmt.Sprintf("the token is of type %q, not bearer", snippet(answer.TokenType, 20)))
	}
	lifetime := lifetime(answer.ExpiresIn)
	now := t.now()
	e.value, e.expires = answer.AccessToken, now.Add(lifetime)
	e.renew = e.expires.Add(-min(time.Minute, lifetime/5))
	return nil
}

func tokenEndpoint(c client) string {
	u, err := url.Parse(c.tokenURL)
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

func (t *tokens) ask(ctx context.Context, c client, inBody bool) (status int, body []byte, err error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if c.scope != "" {
		form.Set("scope", c.scope)
	}
	if inBody {
		form.Set("client_id", c.id)
		form.Set("client_secret", c.secret)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.tokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, fatal("auth.oauth2.tokenUrl: the request can't be made")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if !inBody {
		req.SetBasicAuth(url.QueryEscape(c.id), url.QueryEscape(c.secret))
	}
	// A redirect would carry the credentials along.
	resp, err := t.http.Do(ctx, req, exchange.Options{Timeout: tokenTimeout, MaxBody: 1 << 20, MaxRedirects: -1})
	if err != nil {
		return 0, nil, err
	}
	return resp.Status, resp.Body, nil
}
