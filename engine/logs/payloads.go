package logs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/schema"
)

const (
	// payloadGrace is how long a day must be over, and a value must have been
	// there, before it is looked whether anything refers to it.
	payloadGrace = 24 * time.Hour
	// orphansEvery is how often days are looked through that history still has.
	orphansEvery = 24 * time.Hour
)

// sweepPayloads removes a project's large values: of days that history does not
// have any more all, and of others what nothing refers to, which a crash between
// the writing of a value and of its reference leaves, and the end of a run whose
// results were sealed. A day of which a run is live is left alone: only such a
// run refers to its day, and no new one gets an id of it.
func (r *Retention) sweepPayloads(ctx context.Context, project string, keep time.Duration, orphans bool) error {
	days, err := r.opts.Payloads.Days(ctx, project)
	if err != nil {
		return err
	}
	now := r.opts.Now()
	for _, day := range days {
		start, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return err
		}
		end := start.Add(24 * time.Hour)
		expired := keep > 0 && !end.After(now.Add(-keep))
		if end.After(now.Add(-payloadGrace)) || !expired && !orphans {
			continue
		}
		if live, err := r.live(ctx, start, end); err != nil || live {
			if err != nil {
				return err
			}
			continue
		}
		n, err := r.sweepDay(ctx, project, day, expired, now)
		if err != nil {
			return err
		}
		if n > 0 {
			r.opts.Log.Info("large values deleted", "project", project, "day", day, "values", n, "expired", expired)
		}
	}
	return nil
}

func (r *Retention) sweepDay(ctx context.Context, project, day string, expired bool, now time.Time) (int, error) {
	if expired {
		return r.opts.Payloads.Sweep(ctx, project, day, func(string, time.Time) bool { return true })
	}
	named, err := r.opts.Store.Payloads(ctx, project, day)
	if err != nil {
		return 0, err
	}
	wanted := make(map[string]bool, len(named))
	for _, digest := range named {
		wanted[digest] = true
	}
	return r.opts.Payloads.Sweep(ctx, project, day, func(name string, written time.Time) bool {
		return !wanted[name] && written.Before(now.Add(-payloadGrace))
	})
}

// live tells whether a run that was created in a time is not history yet: Redis
// has it, or the store knows that it was accepted and has not ended.
func (r *Retention) live(ctx context.Context, from, to time.Time) (bool, error) {
	first, past := schema.RunIDBound(from), schema.RunIDBound(to)
	for lane := range r.opts.Lanes {
		ids, err := r.opts.Redis.ZRangeByLex(ctx, queue.Key(lane, "live"), &redis.ZRangeBy{Min: "[" + first, Max: "(" + past, Count: 1}).Result()
		if err != nil {
			return false, fmt.Errorf("look for live runs of lane %d: %w", lane, err)
		}
		if len(ids) > 0 {
			return true, nil
		}
	}
	accepted, err := r.opts.Store.Accepted(ctx, first, 1)
	return len(accepted) > 0 && accepted[0].ID < past, err
}

// sweepAllPayloads sweeps those of every project.
func (r *Retention) sweepAllPayloads(ctx context.Context, projects []string) error {
	if r.opts.Payloads == nil {
		return nil
	}
	now := r.opts.Now()
	orphans := now.Sub(r.orphans) >= orphansEvery
	var errs []error
	for _, project := range projects {
		if err := r.sweepPayloads(ctx, project, r.opts.Keep.Of(project), orphans); err != nil {
			errs = append(errs, fmt.Errorf("large values of project %s: %w", project, err))
			if errors.Is(err, payload.ErrUnavailable) {
				break
			}
		}
	}
	if orphans && len(errs) == 0 {
		r.orphans = now
	}
	return errors.Join(errs...)
}
