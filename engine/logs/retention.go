package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/payload"
	"paragon/engine/store"
)

// Keep says for how long the history of runs is kept.
type Keep struct {
	// Default holds for every project that Projects does not name; 0 keeps all.
	Default time.Duration
	// Projects has the projects that differ; 0 keeps all.
	Projects map[string]time.Duration
}

// Of is how long a project's history is kept; 0 is for ever.
func (k Keep) Of(project string) time.Duration {
	if d, ok := k.Projects[project]; ok {
		return d
	}
	return k.Default
}

// None tells whether all history is kept.
func (k Keep) None() bool {
	for _, d := range k.Projects {
		if d > 0 {
			return false
		}
	}
	return k.Default <= 0
}

// RetentionOptions are what a Retention works with.
type RetentionOptions struct {
	Store store.Store
	Keep  Keep
	// Payloads has the large values that history refers to; nil: there are none.
	// Redis and Lanes tell which runs are live.
	Payloads *payload.Store
	Redis    redis.UniversalClient
	Lanes    int
	// Every is how often old history is looked for. Default an hour.
	Every time.Duration
	// Now is the clock that decides what is old. Default time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Retention deletes history that is older than it is kept. Any number may run:
// what one has deleted the others don't find.
type Retention struct {
	opts RetentionOptions
	quit context.CancelFunc
	loop sync.WaitGroup
	// orphans is when all days were looked through for values that nothing
	// refers to.
	orphans time.Time
}

// NewRetention makes a retention; Start it.
func NewRetention(opts RetentionOptions) *Retention {
	if opts.Every <= 0 {
		opts.Every = time.Hour
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Retention{opts: opts}
}

// Start begins to delete: now, and then at each interval.
func (r *Retention) Start(ctx context.Context) {
	run, quit := context.WithCancel(context.WithoutCancel(ctx))
	r.quit = quit
	r.loop.Go(func() {
		for {
			if _, err := r.Sweep(run); err != nil && run.Err() == nil {
				r.opts.Log.Warn("old history could not be deleted; trying again later", "error", err)
			}
			if !sleep(run, r.opts.Every) {
				return
			}
		}
	})
}

// Stop ends it; what it was about to delete is deleted by the next.
func (r *Retention) Stop() {
	r.quit()
	r.loop.Wait()
}

// Sweep deletes what is too old now, and returns how many runs that were. A
// project that fails does not keep the others from being swept.
func (r *Retention) Sweep(ctx context.Context) (int64, error) {
	if r.opts.Keep.None() && r.opts.Payloads == nil {
		return 0, nil
	}
	snap, err := r.opts.Store.LoadConfig(ctx)
	if err != nil {
		return 0, fmt.Errorf("list the projects: %w", err)
	}
	var total int64
	var errs []error
	var projects []string
	for _, p := range snap.Projects {
		projects = append(projects, p.Name)
		keep := r.opts.Keep.Of(p.Name)
		if keep <= 0 {
			continue
		}
		before := r.opts.Now().Add(-keep)
		n, err := r.opts.Store.DeleteRuns(ctx, p.Name, before)
		total += n
		if err != nil {
			errs = append(errs, fmt.Errorf("project %s: %w", p.Name, err))
			continue
		}
		if n > 0 {
			r.opts.Log.Info("old history deleted", "project", p.Name, "before", before.UTC(), "runs", n)
		}
	}
	if len(errs) == 0 { // values go after what refers to them
		errs = append(errs, r.sweepAllPayloads(ctx, projects))
	}
	return total, errors.Join(errs...)
}
