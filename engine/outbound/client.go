package outbound

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"time"

	"paragon/workflows/exchange"
)

// The limits that hold when Settings leave them at 0.
const (
	DefaultDialTimeout     = 10 * time.Second
	DefaultTLSTimeout      = 10 * time.Second
	DefaultHeaderTimeout   = 5 * time.Minute
	DefaultMaxHeader       = 256 << 10
	DefaultMaxIdle         = 1024
	DefaultMaxIdlePerHost  = 64
	DefaultMaxConnsPerHost = 512
)

// Settings are what a client is made of. The zero value is the strict default.
type Settings struct {
	// MaxIdle and MaxIdlePerHost bound the idle connections that are kept,
	// MaxConnsPerHost all connections to one host; further requests wait for
	// one within their timeout.
	MaxIdle, MaxIdlePerHost, MaxConnsPerHost int
	// IdleTimeout closes a connection that was not used for so long. Default 90s.
	IdleTimeout time.Duration
	// DialTimeout bounds name resolution and connecting, TLSTimeout the
	// handshake, HeaderTimeout the wait for the first byte of the answer once
	// the request is written. The overall timeout is a request's own.
	DialTimeout, TLSTimeout, HeaderTimeout time.Duration
	// MaxBody bounds an answer's body in bytes after decompression, MaxHeader
	// its header.
	MaxBody, MaxHeader int64
	// UserAgent is sent by requests that set none. Default "paragon".
	UserAgent string

	// AllowLoopback lets requests reach 127.0.0.0/8 and ::1: for dev and tests.
	AllowLoopback bool
	// AllowPrefixes are address ranges that may be reached although they are
	// private or special.
	AllowPrefixes []netip.Prefix
	// AllowHosts are host names (no port, any case) that may be reached
	// whatever address they resolve to.
	AllowHosts []string

	// TLS is the base of the TLS configuration; nil for Go's default.
	TLS *tls.Config
	// Resolver resolves host names; nil for the system's.
	Resolver *net.Resolver
	// Observe is told of each exchange when it has ended. It must be fast and
	// safe for concurrent use.
	Observe func(exchange.Exchange)
}

// New makes a client.
func New(s Settings) *exchange.Client {
	return &exchange.Client{MaxBody: s.MaxBody, UserAgent: s.UserAgent, Observe: s.Observe, Transport: NewTransport(s)}
}

// NewRawTransport makes a transport that leaves bodies as the far side sends
// them: for answers that are passed on.
func NewRawTransport(s Settings) *http.Transport {
	t := NewTransport(s)
	t.DisableCompression = true
	return t
}

// NewTransport makes a transport that reaches no private address. MaxBody,
// UserAgent and Observe mean nothing to it.
func NewTransport(s Settings) *http.Transport {
	setDefault(&s.MaxIdle, DefaultMaxIdle)
	setDefault(&s.MaxIdlePerHost, DefaultMaxIdlePerHost)
	setDefault(&s.MaxConnsPerHost, DefaultMaxConnsPerHost)
	setDefault(&s.IdleTimeout, 90*time.Second)
	setDefault(&s.DialTimeout, DefaultDialTimeout)
	setDefault(&s.TLSTimeout, DefaultTLSTimeout)
	setDefault(&s.HeaderTimeout, DefaultHeaderTimeout)
	setDefault(&s.MaxHeader, DefaultMaxHeader)
	return &http.Transport{
		// A proxy in the environment would dial for us, past the guard.
		Proxy:                  nil,
		DialContext:            newGuard(s).dial,
		TLSClientConfig:        s.TLS.Clone(),
		TLSHandshakeTimeout:    s.TLSTimeout,
		ResponseHeaderTimeout:  s.HeaderTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxIdleConns:           s.MaxIdle,
		MaxIdleConnsPerHost:    s.MaxIdlePerHost,
		MaxConnsPerHost:        s.MaxConnsPerHost,
		IdleConnTimeout:        s.IdleTimeout,
		MaxResponseHeaderBytes: s.MaxHeader,
		ForceAttemptHTTP2:      true,
	}
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}
