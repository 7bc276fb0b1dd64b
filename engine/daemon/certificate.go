package daemon

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// recheck is how often, at most, the files of a certificate are looked at.
const recheck = time.Second

// Certificate is the server's certificate, from two files in PEM. They may be
// replaced while the process runs: the next connection has the new one. A
// replacement that can't be used is reported, and the one before stays.
type Certificate struct {
	cert, key string
	log       *slog.Logger
	now       func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	state   string // of the files that were read last
	looked  time.Time
}

// NewCertificate reads a certificate.
func NewCertificate(cert, key string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, log: log, now: time.Now}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	c.current, c.state, c.looked = &pair, c.files(), c.now()
	return c, nil
}

// Config is how a server uses the certificate: TLS 1.2 or newer.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}
}

func (c *Certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= recheck {
		c.looked = now
		c.reload()
	}
	return c.current
}

// reload reads the files when they are not those that were read last. Between
// the replacement of one and of the other they do not belong together: the next
// look finds both.
func (c *Certificate) reload() {
	state := c.files()
	if state == c.state {
		return
	}
	c.state = state
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		c.log.Error("the certificate was replaced by one that can't be used; the one before stays", "file", c.cert, "error", err)
		return
	}
	c.current = &pair
	c.log.Info("the certificate was replaced", "file", c.cert)
}

// files tells the two files' states apart by time and size; a file that is
// missing has one, too.
func (c *Certificate) files() string {
	var state string
	for _, path := range []string{c.cert, c.key} {
		if info, err := os.Stat(path); err == nil {
			state += fmt.Sprintf("%d/%d ", info.ModTime().UnixNano(), info.Size())
		} else {
			state += "missing "
		}
	}
	return state
}
