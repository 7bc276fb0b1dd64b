package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// The limits that hold when a Client or Options leave them at 0.
const (
	DefaultTimeout      = 30 * time.Second
	DefaultMaxBody      = 10 << 20
	DefaultMaxRedirects = 10
	defaultUserAgent    = "paragon"
)

// Exchange is one request with its answer, for statistics.
type Exchange struct {
	// Host is the URL's host as it was asked for, with the port if it names one.
	Host, Method string
	// Status is 0 when no answer came; Kind then says why.
	Status   int
	Kind     Kind
	Duration time.Duration
	// Received counts the bytes of the body that were read.
	Received int64
}

// Options are one request's own limits.
type Options struct {
	// Timeout bounds the whole exchange, the body included. Default 30s.
	Timeout time.Duration
	// MaxBody bounds the body after decompression. Default: the client's.
	MaxBody int64
	// MaxRedirects bounds the redirects that are followed; negative returns
	// the redirect itself, 0 is the default of 10.
	MaxRedirects int
	// TraceParent is sent as the W3C traceparent header when it is well formed.
	TraceParent string
}

// Response is an answer that was read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	// URL is the address that answered, after redirects.
	URL string
}

// Client sends requests over a transport. It is safe for concurrent use and
// meant to be shared. Close it when nothing uses it any more.
type Client struct {
	// Transport carries the requests.
	Transport http.RoundTripper
	// MaxBody bounds an answer's body in bytes after decompression. Default 10 MiB.
	MaxBody int64
	// UserAgent is sent by requests that set none. Default "paragon".
	UserAgent string
	// Clock is the time of timeouts; nil for System.
	Clock Clock
	// Observe is told of each exchange when it has ended. It must be fast and
	// safe for concurrent use. Nil for none.
	Observe func(Exchange)
}

// Time is the client's clock.
func (c *Client) Time() Clock {
	if c.Clock == nil {
		return System
	}
	return c.Clock
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Close closes the idle connections. Exchanges under way go on.
func (c *Client) Close() {
	if t, ok := c.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Do sends the request and reads the whole answer. Any status is an answer, not
// an error. Errors are *Error. When ctx is canceled the error wraps ctx's.
func (c *Client) Do(ctx context.Context, req *http.Request, o Options) (*Response, error) {
	resp, err := c.Open(ctx, req, o)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := readAll(resp)
	if err != nil {
		return nil, err
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: body, URL: resp.Request.URL.String()}, nil
}

// Open sends the request and returns once the answer's header is there. The
// body must be closed; reading it fails with an *Error at the size limit, at
// the timeout, and when the connection breaks.
func (c *Client) Open(ctx context.Context, req *http.Request, o Options) (*http.Response, error) {
	setDefault(&o.Timeout, DefaultTimeout)
	setDefault(&o.MaxBody, c.MaxBody)
	setDefault(&o.MaxBody, DefaultMaxBody)
	setDefault(&o.MaxRedirects, DefaultMaxRedirects)
	started := c.Time().Now()
	x := &exchange{client: c, parent: ctx, method: req.Method, url: RedactURL(req.URL, nil), host: req.URL.Host, limit: o.MaxBody, started: started}
	if err := check(req); err != nil {
		return nil, x.fail(err, KindInvalid)
	}
	ctx, x.cancel = c.Time().WithTimeout(ctx, o.Timeout)
	req = req.Clone(ctx)
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if _, set := req.Header["User-Agent"]; !set {
		agent := c.UserAgent
		setDefault(&agent, defaultUserAgent)
		req.Header.Set("User-Agent", agent)
	}
	if validTraceParent(o.TraceParent) && req.Header.Get("Traceparent") == "" {
		req.Header.Set("Traceparent", o.TraceParent)
	}
	client := http.Client{Transport: c.Transport, CheckRedirect: redirectPolicy(o.MaxRedirects)}
	resp, err := client.Do(req)
	if err != nil {
		x.cancel()
		// A redirect that is refused comes with the answer that asked for it.
		if resp != nil {
			resp.Body.Close()
		}
		return nil, x.fail(err, "")
	}
	x.status = resp.StatusCode
	if resp.ContentLength > o.MaxBody && req.Method != http.MethodHead {
		resp.Body.Close()
		x.cancel()
		return nil, x.fail(fmt.Errorf("the answer has %d bytes: %w", resp.ContentLength, errTooLarge(o.MaxBody)), KindTooLarge)
	}
	resp.Body = &body{ReadCloser: resp.Body, x: x}
	return resp, nil
}

// exchange is what the parts of one request share.
type exchange struct {
	client            *Client
	parent            context.Context
	cancel            context.CancelFunc
	method, url, host string
	status            int
	limit, received   int64
	started           time.Time
}

// fail makes the typed error and reports the exchange as ended.
func (x *exchange) fail(err error, kind Kind) error {
	e := newError(x.parent, x.method, x.url, err, kind)
	x.report(e.Kind)
	return e
}

func (x *exchange) report(kind Kind) {
	if x.client.Observe != nil {
		x.client.Observe(Exchange{Host: x.host, Method: x.method, Status: x.status, Kind: kind,
			Duration: x.client.Time().Now().Sub(x.started), Received: x.received})
	}
}

// body bounds a body and types its errors.
type body struct {
	io.ReadCloser
	x      *exchange
	err    error
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if left := b.x.limit - b.x.received; int64(len(p)) > left {
		// One byte more than is left tells a body that ends at the limit from
		// one that goes on.
		p = p[:left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.x.received += int64(n)
	switch {
	case b.x.received > b.x.limit:
		b.err = b.x.fail(errTooLarge(b.x.limit), KindTooLarge)
		return n - 1, b.err
	case errors.Is(err, io.EOF):
		b.err = err
		b.x.report("")
	case err != nil:
		b.err = b.x.fail(fmt.Errorf("reading the body: %w", err), "")
		return n, b.err
	}
	return n, err
}

func (b *body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	err := b.ReadCloser.Close()
	b.x.cancel()
	if b.err == nil {
		b.err = http.ErrBodyReadAfterClose
		b.x.report("")
	}
	return err
}

func errTooLarge(limit int64) error {
	return fmt.Errorf("the body is larger than the limit of %d bytes", limit)
}

// readAll reads a body, with one allocation where the length is known.
func readAll(resp *http.Response) ([]byte, error) {
	size := int64(512)
	if resp.ContentLength > 0 && resp.ContentLength < 1<<20 {
		size = resp.ContentLength + 1 // room to see the end without growing
	}
	buf := make([]byte, 0, size)
	for {
		n, err := resp.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}
