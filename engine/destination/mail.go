package destination

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Mail is the mail server of an installation. It is the operator's: it may stand
// on a private address.
type Mail struct {
	// Server is smtp://[user:password@]host[:port] for STARTTLS, which must be
	// offered (port 587), smtps:// for TLS from the start (465), or
	// smtp+plain:// for none (25).
	Server string
	// From is the sender.
	From string
	// TLS is the base of the TLS configuration; nil for Go's default.
	TLS *tls.Config
}

// Check tells what is wrong with the settings. They may be empty, for no mail.
func (m Mail) Check() error {
	if m.Server == "" {
		if m.From != "" {
			return errors.New("a sender of e-mail without a mail server: set --smtp, too")
		}
		return nil
	}
	if _, err := m.client(); err != nil {
		return err
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		return errors.New("--smtp needs --smtp-from: the sender's address, as in paragon@example.com")
	}
	return nil
}

// client reads Server. Its errors do not repeat it: it may hold a password.
func (m Mail) client() (*gomail.Client, error) {
	u, err := url.Parse(m.Server)
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, errors.New("--smtp is not smtp://[user:password@]host[:port], smtps://… or smtp+plain://…")
	}
	opts := []gomail.Option{gomail.WithTimeout(attemptTimeout)}
	port := 0
	switch u.Scheme {
	case "smtp":
		port = 587
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case "smtps":
		port = 465
		opts = append(opts, gomail.WithSSL())
	case "smtp+plain":
		port = 25
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return nil, errors.New("--smtp begins with smtp://, smtps:// or smtp+plain://")
	}
	if text := u.Port(); text != "" {
		if port, err = strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
			return nil, errors.New("the port of --smtp is not a number from 1 to 65535")
		}
	}
	opts = append(opts, gomail.WithPort(port))
	if user := u.User; user != nil {
		password, _ := user.Password()
		auth := gomail.SMTPAuthAutoDiscover
		if u.Scheme == "smtp+plain" {
			auth = gomail.SMTPAuthPlainNoEnc
		}
		opts = append(opts, gomail.WithSMTPAuth(auth), gomail.WithUsername(user.Username()), gomail.WithPassword(password))
	}
	config := m.TLS.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	client, err := gomail.NewClient(u.Hostname(), append(opts, gomail.WithTLSConfig(config))...)
	if err != nil {
		return nil, fmt.Errorf("--smtp: %w", err)
	}
	return client, nil
}

// send sends a message to all addresses as one.
func (m Mail) send(ctx context.Context, to []string, id, subject, text string, now time.Time) attempt {
	if m.Server == "" {
		return attempt{err: "no mail server: start the role scheduler with --smtp and --smtp-from"}
	}
	client, err := m.client()
	if err != nil {
		return attempt{err: err.Error()}
	}
	msg := gomail.NewMsg()
	if err := errors.Join(msg.From(m.From), msg.To(to...)); err != nil {
		return attempt{err: err.Error()}
	}
	msg.Subject(subject)
	msg.SetMessageIDWithValue(id + "@" + domain(m.From))
	msg.SetDateWithValue(now)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody need answer
	msg.SetBodyString(gomail.TypeTextPlain, text)
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return attempt{err: mailError(err)}
	}
	return attempt{}
}

// domain is the sender's, for a Message-ID that no other has.
func domain(from string) string {
	if a, err := mail.ParseAddress(from); err == nil {
		for i := len(a.Address) - 1; i >= 0; i-- {
			if a.Address[i] == '@' {
				return a.Address[i+1:]
			}
		}
	}
	return "paragon.invalid"
}

func mailError(err error) string {
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return "the mail server did not answer in time"
	}
	return "the mail server did not take it: " + oneLine(err.Error())
}
