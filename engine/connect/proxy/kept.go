package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"paragon/schema"
)

// Check tells a caller who does not wait for the answer what can be told now: a
// method or a path that is never sent, an integration or a credential that is
// not there, a full log.
func (p *Proxy) Check(ctx context.Context, r *http.Request, call Call) error {
	x := &passage{proxy: p, call: call, r: r}
	return x.aim(ctx)
}

// PassedHeader is what of a request's header is for the far side.
func PassedHeader(from http.Header) http.Header { return requestHeader(from) }

// Repeatable tells whether a request may be sent again when it is not known
// whether it arrived: by its method (RFC 9110 section 9.2.2), or because the far
// side can tell by its key that it is the same.
func Repeatable(method string, h http.Header) bool {
	return idempotent[method] || h.Get("Idempotency-Key") != ""
}

// Kept is an answer that was read to its end.
type Kept struct {
	Status int
	Header http.Header
	Body   []byte
}

// hide blanks out a credential that the far side sent back.
func (k *Kept) hide(from func(string) string) {
	for name, values := range k.Header {
		hidden := make([]string, len(values))
		for i, value := range values {
			hidden[i] = from(value)
		}
		k.Header[name] = hidden
	}
	k.Body = []byte(from(string(k.Body)))
}

// Keep makes a call for a job and keeps the answer, whose body may have as many
// bytes as most. Sent tells of an error whether the request may have arrived.
func (p *Proxy) Keep(ctx context.Context, call Call, job string, r *Request, most int64) (answer *Kept, sent bool, err error) {
	call.job = job
	w := &keeping{header: http.Header{}}
	req := &http.Request{Method: r.Method, Header: r.Header, URL: &url.URL{RawQuery: r.Query}, ContentLength: int64(len(r.Body)), Body: io.NopCloser(bytes.NewReader(r.Body))}
	target, err := p.serve(w, req.WithContext(ctx), call, most)
	if err == nil {
		answer := &Kept{Status: w.status, Header: w.header, Body: w.body.Bytes()}
		if target.Hide != nil {
			answer.hide(target.Hide)
		}
		return answer, true, nil
	}
	switch errorType(err) {
	case schema.ProxyErrorLimited, schema.ProxyErrorOpen, schema.ProxyErrorBlocked, schema.ProxyErrorRefused:
		return nil, false, err
	}
	return nil, true, err
}

// Request is the request of a call that is kept. Its body has at most 64 KiB
// where it is to be sent again.
type Request struct {
	Method, Query string
	Header        http.Header
	Body          []byte
}

// Temporary tells of an error whether the same call may go through later, and
// after how many seconds it is worth while.
func Temporary(err error) (after int, ok bool) {
	var p *schema.Problem
	if errors.As(err, &p) && p.RetryAfter > 0 {
		return p.RetryAfter, true
	}
	switch errorType(err) {
	case schema.ProxyErrorNetwork, schema.ProxyErrorTimeout:
		return 0, true
	}
	return 0, false
}

// ErrorType is the type of error that a call's record has.
func ErrorType(err error) string { return errorType(err) }

// RetryStatus tells whether an answer says that the same request may succeed
// later.
func RetryStatus(status int) bool { return retryOn(status) }

// keeping is a caller that keeps what it is answered with.
type keeping struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *keeping) Header() http.Header         { return k.header }
func (k *keeping) WriteHeader(status int)      { k.status = status }
func (k *keeping) Write(b []byte) (int, error) { return k.body.Write(b) }
func (k *keeping) FlushError() error           { return nil }

// RetryAfter is how long an answer asks to wait, an hour at most; 0 when it asks
// for nothing.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	wait, _ := retryAfter(h, now)
	return min(wait, longestQuiet)
}
