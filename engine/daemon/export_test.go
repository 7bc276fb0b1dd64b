package daemon

import (
	"context"

	"github.com/redis/go-redis/v9"

	"paragon/engine/connect"
	"paragon/engine/connect/users"
	"paragon/engine/store"
)

// Redis is what the process works with.
func (d *Daemon) Redis() redis.UniversalClient { return d.opts.Redis }

// Store is the SQL store.
func (d *Daemon) Store() store.Store { return d.opts.Store }

// Targets finds what steps call integrations with.
func (d *Daemon) Targets() *connect.Connect { return d.connect }

// CredentialFailed tells the project of an invalid credential.
func (d *Daemon) CredentialFailed(ctx context.Context, f users.Failure) error {
	return d.credentialFailed(ctx, f)
}
