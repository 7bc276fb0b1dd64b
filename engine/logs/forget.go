package logs

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"paragon/engine/queue"
	"paragon/engine/store"
)

//go:embed forget.lua
var forgetSource string

var forgetScript = redis.NewScript(forgetSource)

// forget removes from Redis what the store has: a batch of the stream, and
// whatever came before it that somebody else did not get to remove. Should the
// process end before, tidy does it later.
func (c *cursor) forget(ctx context.Context, batch *store.LogBatch, bytes int) error {
	for to := batch.To; ; {
		from, gap, err := c.remove(ctx, batch, bytes)
		if err != nil {
			return fmt.Errorf("remove written log of lane %d: %w", c.lane, err)
		}
		if !gap && batch.To == to {
			return nil
		}
		if !gap {
			from = batch.To
		}
		var more bool
		batch = &store.LogBatch{From: from, To: from}
		if bytes, more, err = c.read(ctx, batch, to); err != nil {
			return err
		}
		if !more {
			batch.To = to
		}
	}
}

// remove removes a batch, unless the stream is removed up to a position before
// it only, which is a gap.
func (c *cursor) remove(ctx context.Context, batch *store.LogBatch, bytes int) (from string, gap bool, err error) {
	args := make([]any, 0, 4+len(batch.Runs))
	args = append(args, c.name, batch.From, batch.To, bytes)
	for i := range batch.Runs {
		args = append(args, batch.Runs[i].ID)
	}
	from, err = forgetScript.Run(ctx, c.f.opts.Redis, []string{queue.Key(c.lane)}, args...).Text()
	if errors.Is(err, redis.Nil) {
		return "", false, nil
	}
	return from, err == nil, err
}

// unknownPosition as From is where no stream is removed up to.
const unknownPosition = "?"

// tidy removes what the store has and a flusher that died had not yet removed.
func (c *cursor) tidy(ctx context.Context) error {
	if c.mark.Position == "" {
		return nil
	}
	return c.forget(ctx, &store.LogBatch{From: unknownPosition, To: c.mark.Position}, 0)
}
