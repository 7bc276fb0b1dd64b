package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"paragon/engine/connect/enrol"
	"paragon/engine/connect/users"
	"paragon/engine/execution"
	"paragon/engine/notice"
	"paragon/engine/outbound"
	"paragon/schema"
)

// startUsers starts what knows the product's users: every role reads them and
// their credentials.
func (d *Daemon) startUsers(ctx context.Context) error {
	o := &d.opts
	book := users.NewBook(users.BookOptions{Redis: o.Redis, Config: d.cache, Log: d.log})
	if err := book.Start(ctx); err != nil {
		return fmt.Errorf("start reading users: %w", err)
	}
	d.book, d.enrolled = book, enrol.NewDirectory(o.Redis, book)
	// Tokens are asked for through the guard, too: the addresses are a project's.
	d.tokens = outbound.New(o.Outbound)
	d.tokens.Transport = o.Tracer.Transport(d.tokens.Transport)
	d.lender = users.NewLender(book, d.tokens)
	return nil
}

// startChanging starts what changes users, and what follows from that: the role
// api alone, once it can end runs.
func (d *Daemon) startChanging(ctx context.Context) error {
	o := &d.opts
	if !d.has(RoleAPI) {
		return nil
	}
	if o.PublicURL == "" {
		o.PublicURL = localURL(o.Listener.Addr())
		if o.TLS != nil {
			o.PublicURL = "https" + strings.TrimPrefix(o.PublicURL, "http")
		}
	}
	d.enrol = enrol.NewService(enrol.Options{Store: o.Store, Redis: o.Redis, Config: d.cache, Stop: d.service.StopFor, Log: d.log})
	svc := users.NewService(users.Options{Store: o.Store, Book: d.book, HTTP: d.tokens, PublicURL: o.PublicURL,
		Changed: d.enrol.Changed, Failed: d.credentialFailed})
	if err := svc.Start(ctx); err != nil {
		return fmt.Errorf("start the service of users: %w", err)
	}
	d.users = svc
	if err := d.enrol.Start(ctx); err != nil {
		return fmt.Errorf("start the service of users' workflows: %w", err)
	}
	return nil
}

// credentialInvalid names the event of a credential that became invalid.
const credentialInvalid = "paragon.credential.invalid"

// credentialFailed sends the project the event of a credential that became
// invalid: once, however often it is told.
func (d *Daemon) credentialFailed(ctx context.Context, f users.Failure) error {
	data, err := json.Marshal(map[string]string{
		"user": f.User, "integration": f.Integration, "account": f.Account, "reason": f.Reason, "at": f.At.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return err
	}
	if p := d.cache.Project(f.Project); p.HasDestinations() {
		err := notice.Note(ctx, d.opts.Redis, notice.Notice{Project: f.Project, Event: schema.EventCredentialInvalid, Subject: f.Integration,
			Example: notice.Example{At: f.At, Message: f.Reason, Details: map[string]string{"user": f.User, "account": f.Account}}})
		if err != nil {
			return err
		}
	}
	_, err = d.service.Publish(ctx, execution.Event{Project: f.Project, Name: credentialInvalid, ID: f.ID, Data: data, Actor: "paragond"})
	return err
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
	if d.book != nil {
		d.book.Stop(ctx)
	}
}
