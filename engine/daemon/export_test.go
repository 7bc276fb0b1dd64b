package daemon

import "github.com/redis/go-redis/v9"

// Redis is what the process works with.
func (d *Daemon) Redis() redis.UniversalClient { return d.opts.Redis }
