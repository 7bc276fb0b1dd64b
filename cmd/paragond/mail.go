package main

import (
	"github.com/spf13/cobra"

	"paragon/engine/destination"
)

// mailFlags name the mail server by which destinations get e-mail.
type mailFlags struct{ server, from string }

func (o *mailFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.server, "smtp", env("PARAGON_SMTP", ""), "mail server for destinations: smtp://[user:password@]host[:port] with STARTTLS, smtps://, or smtp+plain:// without TLS (PARAGON_SMTP)")
	f.StringVar(&o.from, "smtp-from", env("PARAGON_SMTP_FROM", ""), "sender of that e-mail, as in paragon@example.com (PARAGON_SMTP_FROM)")
}

// mail is what the flags name; it may be empty.
func (o *mailFlags) mail() (destination.Mail, error) {
	m := destination.Mail{Server: o.server, From: o.from}
	return m, m.Check()
}
