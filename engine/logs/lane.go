package logs

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// lane flushes the log of one lane.
type lane struct {
	f      *Flusher
	number int
	// settler writes for those who wait; see Settle.
	settler *settler
	// behind is set while the last attempt of follow failed.
	behind atomic.Bool
}

func (f *Flusher) newLane(number int) *lane {
	return &lane{f: f, number: number, settler: newSettler(f.cursors(number))}
}

// tidyEvery is how often a lane is searched for what a flusher that died had
// written and not yet removed.
const tidyEvery = 30 * time.Second

// follow flushes the lane until ctx is done.
func (l *lane) follow(ctx context.Context) {
	r := round{lane: l, cursors: l.f.cursors(l.number), share: l.f.opts.Interval}
	for pause := time.Duration(0); sleep(ctx, pause); {
		err := r.do(ctx)
		if ctx.Err() != nil {
			return
		}
		pause = l.report(err, pause)
	}
}

// stop writes what is left. What others write meanwhile, or have written first,
// is for the flushers that go on.
func (l *lane) stop(ctx context.Context) error {
	err := l.settler.Stop(ctx)
	for _, c := range l.f.cursors(l.number) {
		if err == nil {
			err = c.locate(ctx)
		}
		if err == nil {
			_, err = c.drain(ctx)
		}
	}
	return err
}

// report notes how a round went and returns the pause before the next.
func (l *lane) report(err error, pause time.Duration) time.Duration {
	if err == nil {
		if l.behind.Swap(false) {
			l.f.log.Info("the log is being written to the store again", "lane", l.number)
		}
		return 0
	}
	if !l.behind.Swap(true) {
		l.f.log.Warn("the log can't be written to the store; it waits in Redis", "lane", l.number, "error", err)
	}
	return min(2*max(pause, l.f.opts.Interval), 5*time.Second)
}

// round is what a lane does again and again: it waits for rows, lets more come,
// and writes them.
type round struct {
	*lane
	cursors []*cursor
	// share is how long rows wait to share a batch.
	share  time.Duration
	tidied time.Time
}

func (r *round) do(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	ready, err := r.await(ctx)
	if err != nil || len(ready) == 0 || !sleep(ctx, r.share) {
		return err
	}
	rows := 0
	for _, c := range ready {
		n, err := c.drain(ctx)
		if err != nil {
			r.tidied = time.Time{} // what was written may not have been removed
			return err
		}
		rows += n
	}
	r.share = r.f.opts.Interval
	if rows >= r.f.opts.BatchRows/2 {
		r.share *= 3
	}
	return nil
}

// prepare finds out where the streams are written up to, and tidies them now and then.
func (r *round) prepare(ctx context.Context) error {
	tidy := time.Since(r.tidied) > tidyEvery
	for _, c := range r.cursors {
		if err := c.locate(ctx); err != nil {
			return err
		}
		if !tidy {
			continue
		}
		if err := c.tidy(ctx); err != nil {
			return err
		}
	}
	if tidy {
		r.tidied = time.Now()
	}
	return nil
}

// blockFor bounds one wait for rows: a wait under way can't be called off, so
// it is how long Stop may take.
const blockFor = time.Second

// await waits until streams have rows after their places, and returns these. It
// ends after a while without any: there may be something to tidy.
func (r *round) await(ctx context.Context) (ready []*cursor, err error) {
	n := len(r.cursors)
	streams := make([]string, 2*n) // the keys, and then the places
	for i, c := range r.cursors {
		streams[i], streams[n+i] = c.key(), c.mark.Position
		if c.mark.Position == "" {
			streams[n+i] = "0-0"
		}
	}
	found, err := r.f.opts.Redis.XRead(ctx, &redis.XReadArgs{Streams: streams, Count: 1, Block: blockFor}).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	for _, c := range r.cursors {
		if slices.ContainsFunc(found, func(x redis.XStream) bool { return x.Stream == c.key() }) {
			ready = append(ready, c)
		}
	}
	return ready, nil
}

// sleep waits, and reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
