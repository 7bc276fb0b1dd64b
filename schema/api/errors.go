package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"paragon/schema"
)

// UnreachableError says that no answer came from the server.
type UnreachableError struct {
	// Server is the address that was called.
	Server string
	// Err is what the network said last.
	Err error
}

// Error says which server did not answer, and why.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("can't reach the server at %s: %s", e.Server, reason(e.Err))
}

// Unwrap gives the network's error.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Try is what a person can do about it.
func (e *UnreachableError) Try() string {
	var dns *net.DNSError
	switch {
	case errors.Is(e.Err, syscall.ECONNREFUSED) && e.loopback():
		return "start the server with `paragond dev`, or name another one with --server or PARAGON_SERVER"
	case errors.As(e.Err, &dns):
		return "check the host name, and the network; name another server with --server or PARAGON_SERVER"
	}
	return "check that the server runs and that the address is right; name another one with --server or PARAGON_SERVER"
}

func (e *UnreachableError) loopback() bool {
	u, err := parseServer(e.Server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// reason is the last word of a network error, without the layers around it.
func reason(err error) string {
	var (
		errno syscall.Errno
		dns   *net.DNSError
		op    *net.OpError
		u     *url.Error
	)
	switch {
	case err == nil:
		return "no answer"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it closed the connection"
	case errors.As(err, &op) && op.Err != nil:
		return op.Err.Error()
	case errors.As(err, &u) && u.Err != nil:
		return u.Err.Error()
	}
	return err.Error()
}

// problemOf makes a Problem of an answer that is not a success, whoever sent
// it: a proxy in between answers without problem details.
func problemOf(resp *http.Response, body []byte) *schema.Problem {
	p := &schema.Problem{}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if (media == schema.ProblemContentType || media == ContentTypeJSON) && json.Unmarshal(body, p) != nil {
		p = &schema.Problem{}
	}
	p.Status = resp.StatusCode
	if p.Title == "" {
		p.Title = http.StatusText(resp.StatusCode)
	}
	if p.Type == "" || p.Type == "about:blank" {
		p.Type = problemType(resp.StatusCode)
	}
	if p.Detail == "" && len(p.Errors) == 0 {
		p.Detail = fmt.Sprintf("the server answered %s", strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", p.Title)))
		if where := resp.Header.Get("Location"); where != "" && resp.StatusCode/100 == 3 {
			p.Detail += " to " + where + ": use that address"
		}
	}
	if p.Instance == "" && resp.Request != nil {
		p.Instance = resp.Request.URL.Path
	}
	return p
}

// problemType is what a status alone tells.
func problemType(status int) schema.ProblemType {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return schema.ProblemInvalid
	case http.StatusUnauthorized:
		return schema.ProblemUnauthenticated
	case http.StatusForbidden:
		return schema.ProblemForbidden
	case http.StatusNotFound:
		return schema.ProblemNotFound
	case http.StatusMethodNotAllowed:
		return schema.ProblemMethod
	case http.StatusConflict:
		return schema.ProblemConflict
	case http.StatusPreconditionFailed:
		return schema.ProblemPrecondition
	case http.StatusRequestEntityTooLarge:
		return schema.ProblemTooLarge
	case http.StatusTooManyRequests:
		return schema.ProblemRateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return schema.ProblemUnavailable
	case http.StatusGatewayTimeout:
		return schema.ProblemTimeout
	}
	return schema.ProblemInternal
}
