package exchange

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Kind says how an exchange failed. It is the type of a step's error too.
type Kind string

// The kinds of failure.
const (
	// KindNetwork is a failure of DNS, connecting, TLS or the connection: the
	// same request may succeed later.
	KindNetwork Kind = "network"
	// KindTimeout is a timeout of the request's own.
	KindTimeout Kind = "timeout"
	// KindCanceled is the caller's context being canceled.
	KindCanceled Kind = "canceled"
	// KindBlocked is an address that may not be reached.
	KindBlocked Kind = "blocked"
	// KindTooLarge is an answer over the size limit.
	KindTooLarge Kind = "tooLarge"
	// KindRedirect is a chain of redirects that does not end, or one to
	// something that is not HTTP.
	KindRedirect Kind = "redirect"
	// KindInvalid is a request that can't be sent as it is.
	KindInvalid Kind = "invalid"
)

// Temporary tells whether the same request may succeed when it is sent again.
func (k Kind) Temporary() bool { return k == KindNetwork || k == KindTimeout }

// Error says how an exchange failed. Its text names the method and the URL
// without user information and query, which may hold secrets.
type Error struct {
	Kind        Kind
	Method, URL string
	Err         error
}

// Error names the request and the cause.
func (e *Error) Error() string { return fmt.Sprintf("%s %s: %s", e.Method, e.URL, e.Err) }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of an error that Do or reading a body returned, or empty.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// Blocked is what a transport fails with that may not reach an address.
type Blocked struct{ Err error }

// Error says why.
func (b *Blocked) Error() string { return b.Err.Error() }

// Unwrap is the reason.
func (b *Blocked) Unwrap() error { return b.Err }

// newError types a failure; kind is given when the caller knows it. parent is
// the context of the caller, without the request's own timeout.
func newError(parent context.Context, method, url string, err error, kind Kind) *Error {
	err = stripURL(err)
	if kind == "" {
		kind = classify(parent, err)
	}
	switch kind {
	case KindTimeout:
		// The cause reads like "context deadline exceeded (Client.Timeout …)".
		err = fmt.Errorf("timed out: %w", err)
	case KindBlocked:
		err = fmt.Errorf("%w; allow it in the server's configuration if it is meant", err)
	}
	return &Error{Kind: kind, Method: method, URL: url, Err: err}
}

func classify(parent context.Context, err error) Kind {
	var netErr net.Error
	switch {
	case errors.Is(parent.Err(), context.Canceled):
		return KindCanceled
	case errors.As(err, new(*Blocked)):
		return KindBlocked
	case errors.Is(err, errRedirect):
		return KindRedirect
	case errors.Is(err, context.DeadlineExceeded):
		return KindTimeout
	case errors.As(err, &netErr) && netErr.Timeout():
		return KindTimeout
	}
	return KindNetwork
}

// stripURL takes net/http's own wrapping away: it repeats the method and the
// whole URL, query and all.
func stripURL(err error) error {
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err
}

// check refuses what net/http would refuse late or send in a surprising form.
func check(req *http.Request) error {
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return fmt.Errorf("the URL's scheme is %q, not http or https", req.URL.Scheme)
	}
	if req.URL.Hostname() == "" {
		return errors.New("the URL has no host")
	}
	if strings.ContainsFunc(req.URL.Host, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\@?#`, r) }) {
		return errors.New("the URL's host is malformed")
	}
	if !ValidHeaderValue(req.Host) {
		return errors.New("the value of header Host holds a control character")
	}
	for name, values := range req.Header {
		if !ValidHeaderName(name) {
			return fmt.Errorf("%q is not a header name", name)
		}
		for _, v := range values {
			if !ValidHeaderValue(v) {
				return fmt.Errorf("the value of header %s holds a control character", name)
			}
		}
	}
	return nil
}

// ValidHeaderName tells whether a text is a field name (RFC 9110 section 5.1:
// a token).
func ValidHeaderName(name string) bool {
	for _, c := range []byte(name) {
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return name != ""
}

// ValidHeaderValue tells whether a text can stand in a header (RFC 9110 section
// 5.5): without line breaks and other control characters but the tab.
func ValidHeaderValue(value string) bool {
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
