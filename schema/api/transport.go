package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"paragon/schema"
)

// call is one request of the API.
type call struct {
	method string
	path   string // from the root, escaped
	query  url.Values
	// body is sent as contentType; nil sends none.
	body        []byte
	contentType string
	accept      string
	// key is the Idempotency-Key, ifMatch the If-Match header; empty: none.
	key, ifMatch string
	// again says that a repetition changes nothing, though there is no key.
	again bool
	// wait is how long the server was asked to hold its answer.
	wait time.Duration
	// read takes a successful answer; nil reads nothing.
	read func(*http.Response) error
}

// repeatable tells whether sending the request twice is the same as once.
func (r *call) repeatable() bool { return r.method == http.MethodGet || r.key != "" || r.again }

// json sets a JSON body.
func (r *call) json(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	r.body, r.contentType = body, ContentTypeJSON
	return nil
}

// into makes read decode the answer as JSON into out.
func (r *call) into(out any) {
	r.read = func(resp *http.Response) error {
		body, err := readBody(resp.Body, MaxResponse)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(body, out); err != nil {
			return &notOurs{fmt.Errorf("the answer to %s %s is not what the API answers (%w): is %s a Paragon server?", r.method, r.path, err, resp.Request.URL.Host)}
		}
		return nil
	}
}

// notOurs marks an answer that repeating the request won't better.
type notOurs struct{ error }

func (e *notOurs) Unwrap() error { return e.error }

// do makes the request, again where that is safe, until an answer that stands.
func (c *Client) do(ctx context.Context, r *call) error {
	if c.baseErr != nil {
		return c.baseErr
	}
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, r)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if attempt >= c.retry.attempts || !r.repeatable() || !passing(err) {
			return err
		}
		wait, ok := c.retry.wait(attempt, err)
		if !ok {
			return err
		}
		if !sleep(ctx, wait) {
			return context.Cause(ctx)
		}
	}
}

// once makes one attempt.
func (c *Client) once(ctx context.Context, r *call) error {
	limit := c.timeout + r.wait
	attempt, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	u := *c.base
	// Path is set by parsing, so that escaped segments stay escaped.
	ref, err := url.Parse(u.EscapedPath() + r.path)
	if err != nil {
		return fmt.Errorf("%s: %w", r.path, err)
	}
	u.Path, u.RawPath, u.RawQuery = ref.Path, ref.RawPath, r.query.Encode()
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(attempt, r.method, u.String(), body)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	header := req.Header
	header.Set("User-Agent", c.userAgent)
	header.Set("Accept", ContentTypeJSON)
	if r.accept != "" {
		header.Set("Accept", r.accept)
	}
	if c.token != "" {
		header.Set("Authorization", "Bearer "+c.token)
	}
	if c.trace != "" {
		header.Set("Traceparent", c.trace)
	}
	if r.body != nil {
		header.Set("Content-Type", r.contentType)
	}
	if r.key != "" {
		header.Set("Idempotency-Key", r.key)
	}
	if r.ifMatch != "" {
		header.Set("If-Match", r.ifMatch)
	}

	resp, err := c.http.Do(req)
	if err != nil {
		return &UnreachableError{Server: c.server, Err: err}
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, err := readBody(resp.Body, maxErrorBody)
		if err != nil {
			text = nil
		}
		p := problemOf(resp, text)
		p.RetryAfter = retryAfter(resp.Header.Get("Retry-After"))
		return p
	}
	if r.read == nil {
		return nil
	}
	if err := r.read(resp); err != nil {
		var ours *notOurs
		if errors.As(err, &ours) {
			return ours.error
		}
		return &UnreachableError{Server: c.server, Err: err}
	}
	return nil
}

// readBody reads a body that must not be longer than limit bytes.
func readBody(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, &notOurs{fmt.Errorf("the answer is longer than %d MiB: ask for less at once", limit>>20)}
	}
	return body, nil
}

// passing tells whether the error may be gone at the next attempt.
func passing(err error) bool {
	var unreachable *UnreachableError
	if errors.As(err, &unreachable) {
		return true
	}
	var p *schema.Problem
	if errors.As(err, &p) {
		switch p.Status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		case http.StatusConflict:
			// The first request with the same Idempotency-Key is not answered yet.
			return p.RetryAfter > 0
		}
	}
	return false
}

// retryAfter reads the header of that name (RFC 9110 section 10.2.3) as whole
// seconds from now, rounded up; 0 when there is none.
func retryAfter(text string) int {
	if text == "" {
		return 0
	}
	if n, err := strconv.Atoi(text); err == nil {
		return max(n, 0)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(int(time.Until(at)/time.Second)+1, 0)
	}
	return 0
}
