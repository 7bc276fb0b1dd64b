package stats

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/schema/api"
)

// What waits and what executes is not counted but looked at, once a second, of
// the whole installation. It is kept as counts are: the sums of what was seen
// and how often somebody looked. So it adds up as they do, and comes out as the
// mean of the looks.
const (
	// installation stands where a project's name does, and is none.
	installation = ""
	looksKey     = "paragon:{stats/}:look"
)

var seen = Name{Kind: Seen}

// look is one look, as counts.
func lookOf(q api.QueueStats, w api.WorkerStats, now time.Time) *Counts {
	c := newCounts()
	c.Started = 1
	c.Succeeded = q.Runs
	if !q.Oldest.IsZero() {
		c.Failed = max(now.Sub(q.Oldest).Milliseconds(), 0)
	}
	c.Canceled, c.Attempts = int64(w.Alive), w.Running
	return c
}

// gaugesOf is what was seen in a step of time; nil: nobody looked.
func gaugesOf(set Set) *api.StatsGauges {
	c := set[seen]
	if c == nil || c.Started == 0 {
		return nil
	}
	mean := func(sum int64) float64 { return float64(sum) / float64(c.Started) }
	return &api.StatsGauges{Queued: mean(c.Succeeded), OldestSeconds: mean(c.Failed) / 1000, Workers: mean(c.Canceled), Running: mean(c.Attempts)}
}

// Looker looks at queues and workers once a second and notes what it sees. Of
// several, one does in each second.
type Looker struct {
	rdb  redis.UniversalClient
	view *View
	log  *slog.Logger

	quit context.CancelFunc
	done sync.WaitGroup
}

// NewLooker makes a looker that sees what a view does.
func NewLooker(rdb redis.UniversalClient, view *View, log *slog.Logger) *Looker {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Looker{rdb: rdb, view: view, log: log}
}

// Start begins to look.
func (l *Looker) Start(ctx context.Context) {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	l.quit = quit
	l.done.Add(1)
	go func() {
		defer l.done.Done()
		failing := false
		for untilNext(loop, l.view.now(), Second) {
			once, cancel := context.WithTimeout(loop, 5*Second)
			err := l.look(once)
			cancel()
			if err != nil && loop.Err() == nil && !failing {
				l.log.Warn("queues and workers can't be looked at; trying again", "error", err)
			}
			failing = err != nil
		}
	}()
}

// Stop ends what Start began.
func (l *Looker) Stop() {
	l.quit()
	l.done.Wait()
}

// untilNext waits for the end of the step that is under way; false: ctx is
// done.
func untilNext(ctx context.Context, now time.Time, step time.Duration) bool {
	timer := time.NewTimer(now.Truncate(step).Add(step).Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look notes what is seen, unless another looker does in this second.
func (l *Looker) look(ctx context.Context) error {
	mine, err := l.rdb.SetNX(ctx, looksKey, 1, Second-100*time.Millisecond).Result()
	if err != nil || !mine {
		return err
	}
	queue, workers, err := l.view.glance(ctx)
	if err != nil {
		return err
	}
	if _, err := write(ctx, l.rdb, map[string]Set{installation: {seen: lookOf(queue, workers, l.view.now())}}); err != nil {
		return fmt.Errorf("note what waits and what executes: %w", err)
	}
	return nil
}
