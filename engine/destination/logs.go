package destination

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"paragon/engine/logs"
	"paragon/engine/notice"
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
	waits, err := logs.Oldest(ctx, s.opts.Redis, s.opts.Lanes)
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
