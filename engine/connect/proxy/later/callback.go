package later

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"paragon/engine/connect/proxy"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows/exchange"
	"paragon/workflows/steps"
)

// CallbackSecret names the project's secret that callbacks are signed with:
// whsec_ and base64, as Standard Webhooks write it.
const CallbackSecret = "PROXY_CALLBACK_SECRET"

// HeaderCallback names the address that results are posted to.
const HeaderCallback = "Paragon-Callback"

// CheckCallback tells why results can't be posted to an address.
func CheckCallback(address, secret string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it is not an http or https URL")
	case u.User != nil || u.Fragment != "":
		return errors.New("it has a user or a fragment")
	}
	if _, err := signingKey(secret); err != nil {
		return err
	}
	return nil
}

func signingKey(secret string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 16 {
		return nil, fmt.Errorf("it can't be signed: secret %s must be whsec_ and base64 of 16 bytes or more; set it with: paragonctl secret set %s", CallbackSecret, CallbackSecret)
	}
	return key, nil
}

// callback posts the result, signed.
func (p *Performer) callback(ctx context.Context, c steps.Call) (any, error) {
	var given struct {
		Input Input  `json:"input"`
		Call  result `json:"call"`
	}
	if err := read(c, &given); err != nil {
		return nil, err
	}
	in := &given.Input
	now := p.opts.Now().UTC()
	body, err := json.Marshal(&api.ProxyJob{ID: c.Run, Status: string(schema.RunSucceeded), Integration: in.Integration, User: in.User, Method: in.Method, Path: in.Path,
		CreatedAt: in.At, EndedAt: &now, Answer: given.Call.ProxyAnswer, Error: given.Call.Error})
	if err != nil {
		return nil, err
	}
	secret, _ := p.opts.Secret(c.Project, CallbackSecret)
	key, err := signingKey(secret)
	if err != nil {
		return nil, &failure{err: &schema.RunError{Type: "secret", Message: err.Error()}, again: true}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, *in.Callback, bytes.NewReader(body))
	if err != nil {
		return nil, &failure{err: &schema.RunError{Type: "callback", Message: err.Error()}}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "paragon")
	if c.TraceParent != "" {
		req.Header.Set("Traceparent", c.TraceParent)
	}
	exchange.SignWebhook(req.Header, key, c.Run, now, body)
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, &failure{err: &schema.RunError{Type: "network", Message: err.Error()}, again: true}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return nil, &failure{err: &schema.RunError{Type: "http", Status: resp.StatusCode, Message: "the callback's address answered " + resp.Status},
			again: true, after: proxy.RetryAfter(resp.Header, now)}
	}
	return map[string]int{"status": resp.StatusCode}, nil
}
