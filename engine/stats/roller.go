package stats

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Roller makes minutes of seconds, and lets go of what is older than it is
// kept. Any number may work at once: a minute's entry has the minute as its id,
// which a stream takes once.
type Roller struct {
	rdb      redis.UniversalClient
	reader   *Reader
	projects func() []string
	now      func() time.Time
	log      *slog.Logger

	quit context.CancelFunc
	done sync.WaitGroup
}

// NewRoller makes a roller of the projects that a function names.
func NewRoller(rdb redis.UniversalClient, projects func() []string, now func() time.Time, log *slog.Logger) *Roller {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Roller{rdb: rdb, reader: NewReader(rdb), projects: projects, now: now, log: log}
}

// Start begins to look every half minute.
func (r *Roller) Start(ctx context.Context) {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	r.quit = quit
	r.done.Add(1)
	go func() {
		defer r.done.Done()
		tick := time.NewTicker(Minute / 2)
		defer tick.Stop()
		for {
			select {
			case <-loop.Done():
				return
			case <-tick.C:
			}
			once, cancel := context.WithTimeout(loop, Minute/2)
			for _, project := range append(r.projects(), installation) {
				if err := r.roll(once, project); err != nil && loop.Err() == nil {
					r.log.Warn("minutes of statistics can't be made; trying again", "project", project, "error", err)
					break
				}
			}
			cancel()
		}
	}()
}

// Stop ends what Start began.
func (r *Roller) Stop() {
	r.quit()
	r.done.Wait()
}

// roll makes the minutes that are over and not made yet.
func (r *Roller) roll(ctx context.Context, project string) error {
	key := minutesKey(project)
	now := r.now()
	from := now.Add(-keepBySecond)
	last, err := r.rdb.XRevRangeN(ctx, key, "+", "-", 1).Result()
	if err != nil {
		return fmt.Errorf("read the last minute of statistics: %w", err)
	}
	if len(last) == 1 {
		at, err := timeOf(last[0].ID)
		if err != nil {
			return err
		}
		if next := at.Add(Minute); next.After(from) {
			from = next
		}
	}
	// A second's entries are a little late; so a minute is over a little later.
	to := now.Add(-5 * time.Second).Truncate(Minute)
	if !from.Before(to) {
		return nil
	}
	seconds, err := r.reader.read(ctx, secondsKey(project), Second, settle, from, to)
	if err != nil {
		return err
	}
	for _, p := range coarser(seconds) {
		err := r.rdb.XAdd(ctx, &redis.XAddArgs{
			Stream: key, ID: idAt(p.At) + "-0", Values: []any{field, p.Set.append(nil)},
		}).Err()
		// Another roller was faster.
		if err != nil && !strings.Contains(err.Error(), "equal or smaller") {
			return fmt.Errorf("write a minute of statistics: %w", err)
		}
	}
	_, err = r.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Expire(ctx, key, keepByMinute+time.Hour)
		pipe.XTrimMinID(ctx, key, idAt(now.Add(-keepByMinute)))
		pipe.XTrimMinID(ctx, secondsKey(project), idAt(now.Add(-keepBySecond)))
		return nil
	})
	if err != nil {
		return fmt.Errorf("let go of old statistics: %w", err)
	}
	return nil
}
