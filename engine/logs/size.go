package logs

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/queue"
)

// Size is how much of a lane's log waits in Redis for the store.
type Size struct {
	// Entries of the streams; each holds the rows of one script.
	Entries int64
	// Bytes of the rows, as the limit of the log counts them.
	Bytes int64
}

// Sizes returns the sizes of the logs of the lanes 0 to lanes-1, in one round
// trip.
func Sizes(ctx context.Context, rdb redis.UniversalClient, lanes int) ([]Size, error) {
	pipe := rdb.Pipeline()
	entries, bytes := make([][]*redis.IntCmd, lanes), make([]*redis.StringCmd, lanes)
	for lane := range lanes {
		for _, key := range StreamKeys(lane) {
			entries[lane] = append(entries[lane], pipe.XLen(ctx, key))
		}
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
		out[lane].Bytes = n
		for _, length := range entries[lane] {
			if err := length.Err(); err != nil {
				return nil, fmt.Errorf("read the length of the log of lane %d: %w", lane, err)
			}
			out[lane].Entries += length.Val()
		}
	}
	return out, nil
}

// Oldest is how long the oldest row of the lanes 0 to lanes-1 has waited for the
// store, by Redis' clock; 0 when none waits.
func Oldest(ctx context.Context, rdb redis.UniversalClient, lanes int) (time.Duration, error) {
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return 0, fmt.Errorf("ask Redis for the time: %w", err)
	}
	var longest time.Duration
	for lane := range lanes {
		for _, key := range StreamKeys(lane) {
			entries, err := rdb.XRangeN(ctx, key, "-", "+", 1).Result()
			if err != nil {
				return 0, fmt.Errorf("look at the log of lane %d: %w", lane, err)
			}
			if len(entries) == 0 {
				continue
			}
			text, _, _ := strings.Cut(entries[0].ID, "-")
			if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
				longest = max(longest, now.Sub(time.UnixMilli(ms)))
			}
		}
	}
	return longest, nil
}
