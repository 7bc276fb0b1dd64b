package daemon

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"paragon/engine/connect/users"
	"paragon/engine/outbound"
)

// startUsers starts what knows the product's users: every role reads them and
// their credentials, the role api changes them.
func (d *Daemon) startUsers(ctx context.Context) error {
	o := &d.opts
	book := users.NewBook(users.BookOptions{Redis: o.Redis, Config: d.cache, Log: d.log})
	if err := book.Start(ctx); err != nil {
		return fmt.Errorf("start reading users: %w", err)
	}
	d.book = book
	// Tokens are asked for through the guard, too: the addresses are a project's.
	d.tokens = outbound.New(o.Outbound)
	d.tokens.Transport = o.Tracer.Transport(d.tokens.Transport)
	d.lender = users.NewLender(book, d.tokens)
	if !d.has(RoleAPI) {
		return nil
	}
	if o.PublicURL == "" {
		o.PublicURL = localURL(o.Listener.Addr())
		if o.TLS != nil {
			o.PublicURL = "https" + strings.TrimPrefix(o.PublicURL, "http")
		}
	}
	svc := users.NewService(users.Options{Store: o.Store, Book: book, HTTP: d.tokens, PublicURL: o.PublicURL})
	if err := svc.Start(ctx); err != nil {
		return fmt.Errorf("start the service of users: %w", err)
	}
	d.users = svc
	return nil
}

// localURL is where a browser on this machine reaches a listener.
func localURL(at net.Addr) string {
	if tcp, ok := at.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return "http://localhost:" + strconv.Itoa(tcp.Port)
	}
	return "http://" + at.String()
}

// stopUsers waits for the tokens that are being renewed, and ends the rest.
func (d *Daemon) stopUsers(ctx context.Context) {
	if d.lender != nil {
		d.lender.Close()
		d.tokens.Close()
	}
	if d.users != nil {
		d.users.Stop(ctx)
	}
	if d.book != nil {
		d.book.Stop(ctx)
	}
}
