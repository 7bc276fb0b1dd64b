package api

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"paragon/schema"
)

// The limits of a Client that no option changes.
const (
	// DefaultServer is where paragond listens unless it is told otherwise.
	DefaultServer = "http://127.0.0.1:7420"
	// DefaultTimeout bounds one attempt of one request.
	DefaultTimeout = 30 * time.Second
	// MaxResponse bounds a response body in bytes.
	MaxResponse = 64 << 20

	maxErrorBody = 1 << 20
)

// Client calls the HTTP API of one server for one project. Its methods are
// safe for concurrent use.
//
// A method fails with a *schema.Problem when the server refused the request,
// with an *UnreachableError when no answer came, and with the context's error
// when the context ended first.
type Client struct {
	server    string
	base      *url.URL
	baseErr   error
	token     string
	project   string
	userAgent string
	trace     string // traceparent; empty: none
	http      *http.Client
	timeout   time.Duration
	retry     retryPolicy
}

// Option changes a Client that New makes.
type Option func(*Client)

// WithProject sets the project; the default is schema.DefaultProject.
func WithProject(name string) Option {
	return func(c *Client) {
		if name != "" {
			c.project = name
		}
	}
}

// WithHTTPClient sets the HTTP client that makes the requests. Its Timeout
// should be 0: the Client bounds each attempt itself.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithUserAgent names the program in the User-Agent header.
func WithUserAgent(name string) Option { return func(c *Client) { c.userAgent = name } }

// WithTraceParent sends a traceparent (W3C Trace Context section 3.2) with each
// request, so that what it starts belongs to the caller's trace; empty sends
// none.
func WithTraceParent(parent string) Option { return func(c *Client) { c.trace = parent } }

// WithTimeout bounds each attempt of a request; the default is DefaultTimeout.
// A request that asks the server to wait has that wait on top.
func WithTimeout(d time.Duration) Option {
	return func(c *Client) {
		if d > 0 {
			c.timeout = d
		}
	}
}

// WithAttempts sets how often a request that may be repeated is tried in all;
// the default is 4, and 1 turns retries off.
func WithAttempts(n int) Option { return func(c *Client) { c.retry.attempts = max(n, 1) } }

// New makes a client for the server at the URL, with the token of a key (empty:
// none). An address that is no URL fails at the first request.
func New(server, token string, opts ...Option) *Client {
	c := &Client{
		server:    server,
		token:     token,
		project:   schema.DefaultProject,
		userAgent: "paragon",
		http:      newHTTPClient(),
		timeout:   DefaultTimeout,
		retry:     defaultRetry(),
	}
	c.base, c.baseErr = parseServer(server)
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// Server is the address that the client calls.
func (c *Client) Server() string { return c.server }

// Project is the project that the client works in.
func (c *Client) Project() string { return c.project }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// parseServer reads the address of a server: an http or https URL, or a bare
// host:port, which means http.
func parseServer(server string) (*url.URL, error) {
	text := strings.TrimRight(server, "/")
	if text != "" && !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is not the address of a server: write it like %s", server, DefaultServer)
	}
	if u.User != nil {
		return nil, errors.New("the address of the server holds a password: give a token instead")
	}
	u.RawQuery, u.Fragment = "", ""
	return u, nil
}

func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
		},
		// The API never redirects; following one could carry a body, or hide
		// that the address is wrong.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// path joins URL segments under the project, each escaped.
func (c *Client) path(segments ...string) string {
	var b strings.Builder
	b.WriteString("/v1/projects/")
	b.WriteString(url.PathEscape(c.project))
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}
