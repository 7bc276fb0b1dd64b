package destination

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"paragon/engine/notice"
	"paragon/engine/queue"
	"paragon/schema"
)

const (
	// logsDelayed is how long the oldest row of a log may wait for the store
	// before that is told.
	logsDelayed = time.Minute
	// lookEvery is how often the logs are looked at.
	lookEvery = 10 * time.Second
)

// watchLogs notes, once each time, that logs wait in Redis for longer than they
// should: the store is away, or no flusher runs. It looks only where somebody
// is told.
func (s *Sender) watchLogs(ctx context.Context, all []target) error {
	var projects []string
	for _, t := range all {
		if t.Tells(schema.EventLogsDelayed) && (len(projects) == 0 || projects[len(projects)-1] != t.project.Name) {
			projects = append(projects, t.project.Name) // they come by project
		}
	}
	now := s.opts.Now()
	if len(projects) == 0 || now.Sub(s.looked) < lookEvery {
		return nil
	}
	s.looked = now
	waits, err := s.oldestRow(ctx)
	if err != nil {
		return err
	}
	told, err := s.opts.Redis.Exists(ctx, delayedKey).Result()
	if err != nil {
		return fmt.Errorf("look whether the delay of the logs was told: %w", err)
	}
	switch {
	case waits < logsDelayed && told == 1:
		s.log.Info("the logs are no longer delayed")
		return s.opts.Redis.Del(ctx, delayedKey).Err()
	case waits < logsDelayed || told == 1:
		return nil
	}
	for _, p := range projects {
		err := notice.Note(ctx, s.opts.Redis, notice.Notice{Project: p, Event: schema.EventLogsDelayed,
			Example: notice.Example{At: now, Message: fmt.Sprintf("the oldest row of the logs has waited %s for the store", schema.Duration(waits.Round(time.Second)))}})
		if err != nil {
			return err
		}
	}
	return s.opts.Redis.Set(ctx, delayedKey, strconv.FormatInt(now.UnixMilli(), 10), 0).Err()
}

// oldestRow is how long the oldest row of any lane's log has waited, by Redis'
// clock.
func (s *Sender) oldestRow(ctx context.Context) (time.Duration, error) {
	var longest time.Duration
	for lane := range s.opts.Lanes {
		rows, err := s.opts.Redis.XRangeN(ctx, queue.Key(lane, "log"), "-", "+", 1).Result()
		if err != nil {
			return 0, fmt.Errorf("look at the log of lane %d: %w", lane, err)
		}
		if len(rows) == 0 {
			continue
		}
		now, err := s.opts.Redis.Time(ctx).Result()
		if err != nil {
			return 0, fmt.Errorf("ask Redis for the time: %w", err)
		}
		text, _, _ := strings.Cut(rows[0].ID, "-")
		if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
			longest = max(longest, now.Sub(time.UnixMilli(ms)))
		}
	}
	return longest, nil
}
