package daemon

import (
	"github.com/redis/go-redis/v9"

	"paragon/engine/connect"
)

// Redis is what the process works with.
func (d *Daemon) Redis() redis.UniversalClient { return d.opts.Redis }

// Targets finds what steps call integrations with.
func (d *Daemon) Targets() *connect.Connect { return d.connect }
