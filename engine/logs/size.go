package logs

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"paragon/engine/queue"
)

// Size is how much of a lane's log waits in Redis for the store.
type Size struct {
	// Entries of the stream; each holds the rows of one script.
	Entries int64
	// Bytes of the rows, as the limit of the log counts them.
	Bytes int64
}

// Sizes returns the sizes of the logs of the lanes 0 to lanes-1, in one round
// trip.
func Sizes(ctx context.Context, rdb redis.UniversalClient, lanes int) ([]Size, error) {
	pipe := rdb.Pipeline()
	entries, bytes := make([]*redis.IntCmd, lanes), make([]*redis.StringCmd, lanes)
	for lane := range lanes {
		entries[lane] = pipe.XLen(ctx, StreamKey(lane))
		bytes[lane] = pipe.Get(ctx, queue.Key(lane, "logbytes"))
	}
	// A lane that nothing was logged in has no counter.
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read the sizes of the log: %w", err)
	}
	out := make([]Size, lanes)
	for lane := range lanes {
		n, err := bytes[lane].Int64()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("read the size of the log of lane %d: %w", lane, err)
		}
		out[lane] = Size{Entries: entries[lane].Val(), Bytes: n}
		if err := entries[lane].Err(); err != nil {
			return nil, fmt.Errorf("read the length of the log of lane %d: %w", lane, err)
		}
	}
	return out, nil
}
