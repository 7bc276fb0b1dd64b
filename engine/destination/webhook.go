package destination

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"paragon/schema"
	"paragon/workflows/exchange"
)

// attemptTimeout bounds one attempt.
const attemptTimeout = 15 * time.Second

// secrets gives the plaintext of a project's secrets.
type secrets interface {
	Secret(name string) (string, bool)
}

// value is a text, or that of the secret it names.
func value(from secrets, t schema.TextOrSecret) (string, error) {
	if t.Secret == "" {
		return t.Text, nil
	}
	text, ok := from.Secret(t.Secret)
	if !ok {
		return "", fmt.Errorf("secret %s does not exist or can't be opened: set it with paragonctl secret set %s", t.Secret, t.Secret)
	}
	return text, nil
}

// post sends a body to a webhook. Redirects are not followed: a signed message
// is for one address.
func post(ctx context.Context, client *exchange.Client, w *schema.DestinationWebhook, from secrets, id string, body []byte, now time.Time) attempt {
	address, err := value(from, *w.URL)
	if err != nil {
		return attempt{err: err.Error()}
	}
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return attempt{err: "the URL is not one that begins with https:// or http://"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return attempt{err: "the URL can't be used"}
	}
	req.Header.Set("Content-Type", "application/json")
	for name, text := range w.Headers {
		v, err := value(from, text)
		if err != nil {
			return attempt{err: err.Error()}
		}
		req.Header.Set(name, v)
	}
	key, err := keyOf(w.Signature, from)
	if err != nil {
		return attempt{err: err.Error()}
	}
	exchange.SignWebhook(req.Header, key, id, now, body)
	resp, err := client.Do(ctx, req, exchange.Options{Timeout: attemptTimeout, MaxBody: 64 << 10, MaxRedirects: -1})
	if err != nil {
		return attempt{err: err.Error()}
	}
	out := attempt{status: resp.Status, gone: resp.Status == http.StatusGone}
	if resp.Status < 200 || resp.Status > 299 {
		out.err = fmt.Sprintf("it answered %d %s", resp.Status, http.StatusText(resp.Status))
	}
	return out
}

// keyOf is what a webhook is signed with; nil: nothing.
func keyOf(key *schema.SecretName, from secrets) ([]byte, error) {
	if key == nil {
		return nil, nil
	}
	text, err := value(from, schema.TextOrSecret{Secret: key.Secret})
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(text), "whsec_"))
	if err != nil || len(raw) == 0 {
		return nil, fmt.Errorf("secret %s is not whsec_ and a key in base64", key.Secret)
	}
	return raw, nil
}
