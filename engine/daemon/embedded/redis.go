package embedded

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Redis is an in-process Redis on a loopback port of its own.
type Redis struct {
	server *miniredis.Miniredis
	quit   context.CancelFunc
	done   sync.WaitGroup
}

// StartRedis starts one.
func StartRedis(ctx context.Context) (*Redis, error) {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	ctx, quit := context.WithCancel(context.WithoutCancel(ctx))
	r := &Redis{server: server, quit: quit}
	r.done.Add(1)
	go func() { defer r.done.Done(); r.age(ctx) }()
	return r, nil
}

// age lets keys expire: miniredis leaves the passing of time to its user.
func (r *Redis) age(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.server.FastForward(time.Second)
		case <-ctx.Done():
			return
		}
	}
}

// URL is the address for a client.
func (r *Redis) URL() string { return "redis://" + r.server.Addr() }

// Close stops it; what it held is gone.
func (r *Redis) Close() {
	r.quit()
	r.done.Wait()
	r.server.Close()
}
