package stats

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Recorder counts in memory and adds up in Redis twice a second. Its counting
// methods are safe for concurrent use and do no I/O; a nil Recorder counts
// nothing.
type Recorder struct {
	rdb redis.UniversalClient
	log *slog.Logger
	now func() time.Time

	mu sync.Mutex
	// recent is what Redis does not have yet, total all since the process began.
	recent, total map[string]Set

	quit context.CancelFunc
	done chan struct{}
}

// NewRecorder makes a recorder. Start it to have Redis follow.
func NewRecorder(rdb redis.UniversalClient, now func() time.Time, log *slog.Logger) *Recorder {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Recorder{rdb: rdb, log: log, now: now, recent: map[string]Set{}, total: map[string]Set{}, done: make(chan struct{})}
}

// count changes the counts of a series.
func (r *Recorder) count(project string, name Name, change func(c *Counts)) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	set := r.recent[project]
	if set == nil {
		set = Set{}
		r.recent[project] = set
	}
	change(set.of(name))
}

// RunStarted counts the first start of a run that waited for a worker for a
// while.
func (r *Recorder) RunStarted(project, workflow string, waited time.Duration) {
	r.count(project, Name{Workflow, workflow}, func(c *Counts) {
		c.Started++
		c.Wait.Add(waited)
		c.WaitUs += max(waited.Microseconds(), 0)
	})
}

// The ways in which something ends.
type Ending byte

// The endings.
const (
	Succeeded Ending = iota
	Failed
	Canceled
)

func (c *Counts) end(how Ending, took time.Duration) {
	switch how {
	case Succeeded:
		c.Succeeded++
	case Failed:
		c.Failed++
	case Canceled:
		c.Canceled++
	}
	c.Duration.Add(took)
	c.DurationUs += max(took.Microseconds(), 0)
}

// RunEnded counts the end of a run that took a while from its first start.
func (r *Recorder) RunEnded(project, workflow string, how Ending, took time.Duration) {
	r.count(project, Name{Workflow, workflow}, func(c *Counts) { c.end(how, took) })
}

// Attempted counts an attempt at a step.
func (r *Recorder) Attempted(project, workflow string, again bool) {
	r.count(project, Name{Workflow, workflow}, func(c *Counts) {
		c.Attempts++
		if again {
			c.Retried++
		}
	})
}

// Proxied counts a request to an integration that took a while.
func (r *Recorder) Proxied(project, integration string, how Ending, took time.Duration) {
	r.count(project, Name{Proxy, integration}, func(c *Counts) {
		c.Started++
		c.end(how, took)
	})
}

// Start begins to add up in Redis at each full and each half second.
func (r *Recorder) Start(ctx context.Context) {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	r.quit = quit
	go func() {
		defer close(r.done)
		r.follow(loop)
	}()
}

// Stop writes what is left, until ctx is done.
func (r *Recorder) Stop(ctx context.Context) error {
	if r == nil || r.quit == nil {
		return nil
	}
	r.quit()
	<-r.done
	return r.flush(ctx)
}

func (r *Recorder) follow(ctx context.Context) {
	failing := false
	for untilNext(ctx, r.now(), Half) {
		once, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := r.flush(once)
		cancel()
		if err != nil && ctx.Err() == nil && !failing {
			r.log.Warn("statistics can't be written; they wait in memory", "error", err)
		}
		failing = err != nil
	}
}

// flush adds what was counted since the last one to Redis. What fails waits
// for the next one, and comes then as one.
func (r *Recorder) flush(ctx context.Context) error {
	r.mu.Lock()
	taken := r.recent
	r.recent = make(map[string]Set, len(taken))
	r.mu.Unlock()
	if len(taken) == 0 {
		return nil
	}
	left, err := write(ctx, r.rdb, taken)
	r.mu.Lock()
	defer r.mu.Unlock()
	for project, set := range taken {
		to := r.total
		if _, failed := left[project]; failed {
			to = r.recent
		}
		if to[project] == nil {
			to[project] = Set{}
		}
		to[project].Merge(set)
	}
	return err
}

// Totals returns what this process has counted since it began, by project.
func (r *Recorder) Totals() map[string]Set {
	out := map[string]Set{}
	if r == nil {
		return out
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, sets := range []map[string]Set{r.total, r.recent} {
		for project, set := range sets {
			if out[project] == nil {
				out[project] = Set{}
			}
			out[project].Merge(set)
		}
	}
	return out
}

// write appends an entry to the stream of each project, and returns those that
// it could not write.
func write(ctx context.Context, rdb redis.UniversalClient, sets map[string]Set) (left map[string]Set, err error) {
	pipe := rdb.Pipeline()
	cmds := make(map[string]*redis.StringCmd, len(sets))
	for project, set := range sets {
		key := secondsKey(project)
		cmds[project] = pipe.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []any{field, set.append(nil)}})
		pipe.Expire(ctx, key, keepBySecond+time.Minute)
	}
	_, all := pipe.Exec(ctx)
	left = map[string]Set{}
	var errs []error
	for project, cmd := range cmds {
		if cmd.Err() == nil && cmd.Val() != "" {
			continue // else it may have no error of its own: nobody was let in to send it
		}
		left[project] = sets[project]
		errs = append(errs, cmp.Or(cmd.Err(), all))
	}
	if len(errs) > 3 {
		errs = errs[:3]
	}
	return left, errors.Join(errs...)
}
