package exchange

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

var errRedirect = errors.New("redirect refused")

// harmless are the headers that follow a redirect to another origin. Everything
// else may be a credential: beside Authorization and Cookie, APIs take keys in
// headers of any name.
var harmless = map[string]bool{
	"Accept":          true,
	"Accept-Language": true,
	"Content-Type":    true,
	"Idempotency-Key": true,
	"Traceparent":     true,
	"User-Agent":      true,
}

// redirectPolicy is the CheckRedirect of one request. The address behind the
// redirect is checked when it is dialed, as the first one is.
func redirectPolicy(most int) func(*http.Request, []*http.Request) error {
	strayed := false
	return func(req *http.Request, via []*http.Request) error {
		if most < 0 {
			return http.ErrUseLastResponse
		}
		if len(via) > most {
			return fmt.Errorf("%w: more than %d in a row", errRedirect, most)
		}
		if err := check(req); err != nil {
			return fmt.Errorf("%w: %w", errRedirect, err)
		}
		// The Referer that net/http adds is the whole URL before, and a query
		// may hold a key.
		req.Header.Del("Referer")
		// Once the chain has left the origin, coming back does not bring the
		// credentials back: the other host chose that path.
		strayed = strayed || !SameOrigin(via[len(via)-1].URL, req.URL)
		if strayed {
			for name := range req.Header {
				if !harmless[name] {
					req.Header.Del(name)
				}
			}
			req.Host = ""
		}
		return nil
	}
}

// SameOrigin compares scheme, host and port. Going from http to https on the
// default ports of one host is the same origin, the way back is not.
func SameOrigin(from, to *url.URL) bool {
	if hostKey(from.Hostname()) != hostKey(to.Hostname()) {
		return false
	}
	if from.Scheme == to.Scheme {
		return port(from) == port(to)
	}
	return from.Scheme == "http" && to.Scheme == "https" && port(from) == "80" && port(to) == "443"
}

// hostKey makes the spellings of one host equal.
func hostKey(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
