package daemon

import (
	"context"
	"fmt"

	"paragon/engine/connect/users"
)

// startUsers starts what knows the product's users: every role reads them, the
// role api changes them.
func (d *Daemon) startUsers(ctx context.Context) error {
	o := &d.opts
	book := users.NewBook(users.BookOptions{Redis: o.Redis, Config: d.cache, Log: d.log})
	if err := book.Start(ctx); err != nil {
		return fmt.Errorf("start reading users: %w", err)
	}
	d.book = book
	if !d.has(RoleAPI) {
		return nil
	}
	svc := users.NewService(users.Options{Store: o.Store, Book: book})
	if err := svc.Start(ctx); err != nil {
		return fmt.Errorf("start the service of users: %w", err)
	}
	d.users = svc
	return nil
}
