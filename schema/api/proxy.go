package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"paragon/schema"
)

// ProxyRequest is a call to an integration.
type ProxyRequest struct {
	Integration string
	Method      string
	// Path is below the integration's base URL, escaped, with the query.
	Path string
	// User is whose credential is used; empty: the project's. Account chooses
	// among several.
	User, Account string
	Header        http.Header
	Body          io.Reader
}

// Proxy calls an integration, once. The answer is the far side's, whatever its
// status, and its body the caller's to close. What Paragon itself answers is an
// error, a *schema.Problem. Only ctx bounds the time.
func (c *Client) Proxy(ctx context.Context, r ProxyRequest) (*http.Response, error) {
	if c.baseErr != nil {
		return nil, c.baseErr
	}
	u := *c.base
	ref, err := url.Parse(u.EscapedPath() + c.path("integrations", r.Integration, "proxy") + "/" + strings.TrimPrefix(r.Path, "/"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Path, err)
	}
	u.Path, u.RawPath, u.RawQuery = ref.Path, ref.RawPath, ref.RawQuery
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), r.Body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if r.Header != nil {
		req.Header = r.Header.Clone()
	}
	for name, value := range map[string]string{"Paragon-User": r.User, "Paragon-Account": r.Account, "Traceparent": c.trace} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	switch {
	case ctx.Err() != nil:
		if err == nil {
			resp.Body.Close()
		}
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, &UnreachableError{Server: c.server, Err: err}
	case resp.Header.Get("Paragon-Error") == "":
		return resp, nil
	}
	defer resp.Body.Close()
	text, err := readBody(resp.Body, maxErrorBody)
	if err != nil {
		text = nil
	}
	p := problemOf(resp, text)
	p.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
	return nil, p
}

// ProxyCallsQuery selects calls through the proxy. Empty fields select all.
type ProxyCallsQuery struct {
	Integration, User string
	// Failed selects those that got no answer, or one with a status of 400 or
	// more.
	Failed bool
	// Since and Until are times, or durations before now.
	Since, Until string
	Cursor       string
	Limit        int
}

// ProxyCalls lists calls through the proxy, newest first.
func (c *Client) ProxyCalls(ctx context.Context, q ProxyCallsQuery) (*List[schema.ProxyCall], error) {
	v := page(q.Cursor, q.Limit)
	for name, value := range map[string]string{"integration": q.Integration, "user": q.User, "since": q.Since, "until": q.Until} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Failed {
		v.Set("failed", "true")
	}
	return get[List[schema.ProxyCall]](ctx, c, c.path("proxy-calls"), url.Values(v))
}
