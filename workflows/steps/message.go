package steps

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"paragon/workflows"
	"paragon/workflows/exchange"
	"paragon/workflows/token"
)

// message is what a step's expressions came to: everything of a request but
// what changes from page to page and the token.
type message struct {
	method string
	url    *url.URL
	header http.Header
	host   string
	body   []byte
	// idempotencyKey is sent unless the workflow set that header.
	idempotencyKey string
	// oauth is where the token comes from, nil for none; token is the last one
	// that was sent.
	oauth *token.Client
	token string
}

// connection are the headers that belong to the connection, not to the request
// (RFC 9110 section 7.6.1): a workflow can't set them.
var connection = []string{"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// build evaluates the step's expressions.
func (a *attempt) build() (*message, error) {
	args, scope := a.call.Step.Args, a.call.Scope
	m := &message{header: http.Header{}, idempotencyKey: a.call.IdempotencyKey}

	method, err := args.Field("method").EvalString(scope)
	if err != nil {
		return nil, expression("method", err)
	}
	if method == "" {
		method = http.MethodGet
	}
	m.method = strings.ToUpper(method)
	if !exchange.ValidHeaderName(m.method) || m.method == http.MethodConnect {
		return nil, fatal("method: %q is not a method that can be sent", exchange.Snippet(method, 20))
	}
	if err := a.buildURL(m); err != nil {
		return nil, err
	}
	if err := a.buildHeaders(m); err != nil {
		return nil, err
	}
	if err := a.buildBody(m); err != nil {
		return nil, err
	}
	return m, a.buildAuth(m)
}

func (a *attempt) buildURL(m *message) error {
	if a.target != nil {
		if err := a.buildTarget(m); err != nil {
			return err
		}
	} else {
		text, err := a.call.Step.Args.Field("url").EvalString(a.call.Scope)
		if err != nil {
			return expression("url", err)
		}
		if m.url, err = parseURL(text); err != nil {
			return fatal("url: %s", err)
		}
	}
	query, err := evalMap(a.call.Step.Args.Field("query"), a.call.Scope)
	if err != nil {
		return expression("query", err)
	}
	added := url.Values{}
	for name, value := range query {
		list, err := texts(value)
		if err != nil {
			return fatal("query.%s: %s", name, err)
		}
		added[name] = list
	}
	if encoded := added.Encode(); encoded != "" {
		if m.url.RawQuery != "" {
			m.url.RawQuery += "&"
		}
		m.url.RawQuery += encoded
	}
	return nil
}

// parseURL reads an absolute HTTP URL. Its errors do not repeat the text, which
// may hold a secret.
func parseURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("it is empty")
	}
	u, err := url.Parse(text)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("it must be absolute and begin with http:// or https://")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

func (a *attempt) buildHeaders(m *message) error {
	headers, err := evalMap(a.call.Step.Args.Field("headers"), a.call.Scope)
	if err != nil {
		return expression("headers", err)
	}
	for name, value := range headers {
		list, err := texts(value)
		if err != nil {
			return fatal("headers.%s: %s", name, err)
		}
		if !exchange.ValidHeaderName(name) {
			return fatal("headers: %q is not a header name", exchange.Snippet(name, 60))
		}
		key := http.CanonicalHeaderKey(name)
		if slices.Contains(connection, key) {
			return fatal("headers.%s: this header belongs to the connection and can't be set", name)
		}
		for _, v := range list {
			if !exchange.ValidHeaderValue(v) {
				return fatal("headers.%s: the value holds a line break or another control character", name)
			}
			if key == "Host" {
				m.host = v
				continue
			}
			m.header.Add(key, v)
		}
	}
	return nil
}

// request makes the request that is sent: a fresh one each time.
func (a *attempt) request(ctx context.Context, m *message) (*http.Request, error) {
	var body io.Reader
	if m.body != nil {
		body = bytes.NewReader(m.body)
	}
	req, err := http.NewRequestWithContext(ctx, m.method, m.url.String(), body)
	if err != nil {
		return nil, fatal("the request can't be made: %s", err)
	}
	req.Header = m.header.Clone()
	if m.host != "" {
		req.Host = m.host
	}
	if m.idempotencyKey != "" && req.Header.Get("Idempotency-Key") == "" {
		req.Header.Set("Idempotency-Key", m.idempotencyKey)
	}
	if m.oauth != nil {
		value, fetched, err := a.tokens.Get(ctx, *m.oauth)
		if err != nil {
			return nil, err
		}
		a.freshToken, m.token = fetched, value
		a.redact.add(value)
		req.Header.Set("Authorization", "Bearer "+value)
	}
	if a.target != nil {
		if err := a.target.Authorize(req); err != nil {
			return nil, fatal("%s", err)
		}
	}
	if req.Header.Get("Accept") == "" && a.spec.Response != "bytes" && a.spec.Response != "none" {
		req.Header.Set("Accept", "application/json, text/*;q=0.9, */*;q=0.8")
	}
	return req, nil
}

// evalMap evaluates a map; null and an absent one are empty.
func evalMap(v *workflows.Value, scope *workflows.Scope) (map[string]any, error) {
	x, err := v.Eval(scope)
	if err != nil {
		return nil, err
	}
	switch m := x.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return m, nil
	}
	return nil, errors.New("it must be an object")
}
