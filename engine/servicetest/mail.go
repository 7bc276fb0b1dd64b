package servicetest

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// MailOptions change how a mail server is started.
type MailOptions struct {
	// TLS, when set, is offered with STARTTLS, or with Implicit asked for from
	// the first byte on.
	TLS      *Certificate
	Implicit bool
	// User and Password must be given when they are set.
	User, Password string
}

// MailServer is an SMTP server that keeps what it gets. It is safe for
// concurrent use.
type MailServer struct {
	// Addr is host:port.
	Addr string

	opts MailOptions
	mu   sync.Mutex
	mail []Mail
	full error
}

// Mail is a message that a MailServer got.
type Mail struct {
	From      string
	To        []string
	Encrypted bool
	Header    mail.Header
	Body      string
}

// StartMail starts a mail server that ends with the test.
func StartMail(t testing.TB, opts MailOptions) *MailServer {
	t.Helper()
	m := &MailServer{opts: opts}
	server := smtp.NewServer(m)
	server.Domain, server.AllowInsecureAuth = "localhost", opts.TLS == nil
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("start a mail server: %v", err)
	}
	if opts.TLS != nil {
		pair, err := tls.LoadX509KeyPair(opts.TLS.Cert, opts.TLS.Key)
		if err != nil {
			t.Fatalf("start a mail server: %v", err)
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		if opts.Implicit {
			ln = tls.NewListener(ln, server.TLSConfig)
		}
	}
	m.Addr = ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			t.Errorf("the mail server ended: %v", err)
		}
	})
	return m
}

// Mail is what came so far.
func (m *MailServer) Mail() []Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Mail(nil), m.mail...)
}

// Refuse makes the server refuse messages with an error of SMTP, or take them
// again with nil.
func (m *MailServer) Refuse(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.full = err
}

// NewSession implements smtp.Backend.
func (m *MailServer) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &mailSession{server: m, conn: c, known: m.opts.User == ""}, nil
}

// mailSession is one connection.
type mailSession struct {
	server *MailServer
	conn   *smtp.Conn
	known  bool
	mail   Mail
}

// AuthMechanisms implements smtp.AuthSession.
func (s *mailSession) AuthMechanisms() []string {
	if s.server.opts.User == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth implements smtp.AuthSession.
func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != s.server.opts.User || password != s.server.opts.Password {
			return smtp.ErrAuthFailed
		}
		s.known = true
		return nil
	}), nil
}

// Mail implements smtp.Session.
func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	_, s.mail.Encrypted = s.conn.TLSConnectionState()
	s.mail.From = from
	return nil
}

// Rcpt implements smtp.Session.
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = append(s.mail.To, to)
	return nil
}

// Data implements smtp.Session.
func (s *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	msg, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(msg.Body)
	if err != nil {
		return err
	}
	s.mail.Header, s.mail.Body = msg.Header, string(body)
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.full != nil {
		return s.server.full
	}
	s.server.mail = append(s.server.mail, s.mail)
	return nil
}

// Reset implements smtp.Session.
func (s *mailSession) Reset() { s.mail = Mail{} }

// Logout implements smtp.Session.
func (s *mailSession) Logout() error { return nil }
