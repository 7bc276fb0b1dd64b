package execution

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"paragon/schema/api"
)

// Workers lists the workers that are known, with how many runs each has.
func (s *Service) Workers(ctx context.Context) ([]api.Worker, error) {
	known, err := Workers(ctx, s.opts.Redis)
	if err != nil {
		return nil, err
	}
	// Heartbeats are in Redis' time, so that is what their age is taken by.
	now, err := s.opts.Redis.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("list the workers: read Redis' clock: %w", err)
	}
	pipe := s.opts.Redis.Pipeline()
	counts := make([][]*redis.IntCmd, len(known))
	for i, w := range known {
		for _, ln := range s.ledger.lanes {
			counts[i] = append(counts[i], pipe.HLen(ctx, claimsKey(ln, w.ID)))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("list the workers: count what they run: %w", err)
	}
	out := make([]api.Worker, len(known))
	for i, w := range known {
		out[i] = api.Worker{ID: w.ID, LastSeen: w.LastSeen, Alive: now.Sub(w.LastSeen) < deadAfter}
		for _, n := range counts[i] {
			out[i].Running += n.Val()
		}
	}
	return out, nil
}
