package destination

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"paragon/engine/servicetest"
	"paragon/schema/api"
)

const mailDocument = `---
apiVersion: paragon/v1
kind: Destination
metadata: {name: mail}
spec:
  email: {to: [ops@example.com, "Night Shift <night@example.com>"]}
  template: {title: "${{ message.count }} failures: ${{ message.events[0].subject }}"}
`

func trusting(t *testing.T, c *servicetest.Certificate) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// Mail goes by STARTTLS or TLS with a password, or without both where the
// operator says so; never in the clear where it should not.
func TestMailIsSent(t *testing.T) {
	r := newRig(t)
	c := r.apply(mailDocument, nil)
	certificate := servicetest.NewCertificate(t)
	p := &pending{Delivery: api.Delivery{ID: "msg_1", Events: 12}, Groups: []group{{Event: "run.failed", Subject: "sync", Count: 12, First: epoch, Last: epoch.Add(time.Minute)}}}
	for name, tt := range map[string]struct {
		server servicetest.MailOptions
		scheme string
		user   string
		wrong  string // part of the error
	}{
		"STARTTLS":           {servicetest.MailOptions{TLS: certificate, User: "u", Password: "p"}, "smtp", "u:p@", ""},
		"TLS":                {servicetest.MailOptions{TLS: certificate, Implicit: true, User: "u", Password: "p"}, "smtps", "u:p@", ""},
		"plain":              {servicetest.MailOptions{}, "smtp+plain", "", ""},
		"plain, password":    {servicetest.MailOptions{User: "u", Password: "p"}, "smtp+plain", "u:p@", ""},
		"no TLS where asked": {servicetest.MailOptions{}, "smtp", "", "STARTTLS"},
		"a wrong password":   {servicetest.MailOptions{TLS: certificate, User: "u", Password: "p"}, "smtp", "u:sesame@", "535"},
	} {
		t.Run(name, func(t *testing.T) {
			server := servicetest.StartMail(t, tt.server)
			s := r.sender(c, func(o *Options) {
				o.Mail = Mail{Server: tt.scheme + "://" + tt.user + server.Addr, From: "Paragon <paragon@example.com>", TLS: trusting(t, certificate)}
			})
			if err := s.opts.Mail.Check(); err != nil {
				t.Fatal(err)
			}
			at := s.attempt(t.Context(), targets(c)[0], p)
			if tt.wrong != "" {
				if !strings.Contains(at.err, tt.wrong) || strings.Contains(at.err, "sesame") || len(server.Mail()) != 0 {
					t.Errorf("%+v", at)
				}
				return
			}
			got := server.Mail()
			if at.err != "" || len(got) != 1 {
				t.Fatalf("%+v, %d messages", at, len(got))
			}
			m := got[0]
			if m.Encrypted != strings.HasPrefix(name, "STARTTLS") && !tt.server.Implicit {
				t.Errorf("encrypted: %v", m.Encrypted)
			}
			if m.From != "paragon@example.com" || strings.Join(m.To, " ") != "ops@example.com night@example.com" ||
				m.Header.Get("Subject") != "12 failures: sync" || m.Header.Get("Message-Id") != "<msg_1@example.com>" ||
				!strings.Contains(m.Body, "12 runs of sync failed, from 2026-03-01T12:00:00Z") {
				t.Errorf("%+v", m)
			}
		})
	}
}

// A mail server that refuses is tried again.
func TestRefusedMailIsSentAgain(t *testing.T) {
	r := newRig(t)
	c := r.apply(mailDocument, nil)
	server := servicetest.StartMail(t, servicetest.MailOptions{})
	server.Refuse(&smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "mailbox full"})
	r.start(r.sender(c, func(o *Options) {
		o.Mail = Mail{Server: "smtp+plain://" + server.Addr, From: "paragon@example.com"}
	}))
	svc, _ := r.service(c)
	deliveries := func() []api.Delivery {
		list, err := svc.Deliveries(t.Context(), "default", "mail")
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	r.until("it is met", func() bool { n, _ := r.rdb.HLen(t.Context(), statesKey).Result(); return n == 1 })
	r.fail("sync", 3)
	r.until("they wait", func() bool { s, err := svc.Status(t.Context(), "default", "mail"); return err == nil && s.Waiting == 3 })
	r.advance(10 * time.Second)
	r.until("an attempt", func() bool { list := deliveries(); return len(list) == 1 && list[0].Attempts == 1 })
	if d := deliveries()[0]; d.State != api.DeliveryPending || !strings.Contains(d.Error, "mailbox full") {
		t.Errorf("%+v", d)
	}
	server.Refuse(nil)
	r.advance(5 * time.Second)
	r.until("it arrives", func() bool { return len(server.Mail()) == 1 && deliveries()[0].State == api.DeliveryDelivered })
}

func TestMailSettings(t *testing.T) {
	for _, tt := range []struct{ server, from, wrong string }{
		{"", "", ""},
		{"smtp://mail.example.com", "paragon@example.com", ""},
		{"", "paragon@example.com", "--smtp"},
		{"smtp://mail.example.com", "", "--smtp-from"},
		{"mail.example.com:25", "paragon@example.com", "--smtp"},
		{"http://mail.example.com", "paragon@example.com", "smtp://"},
		{"smtp://user:sesame@mail.example.com:0", "paragon@example.com", "port"},
		{"smtp://user:sesame@:25", "paragon@example.com", "--smtp"},
	} {
		err := Mail{Server: tt.server, From: tt.from}.Check()
		if (err == nil) != (tt.wrong == "") || err != nil && (!strings.Contains(err.Error(), tt.wrong) || strings.Contains(err.Error(), "sesame")) {
			t.Errorf("%q %q: %v", tt.server, tt.from, err)
		}
	}
}
