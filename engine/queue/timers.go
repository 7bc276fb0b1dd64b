package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Clock tells the time, so that tests decide it.
type Clock interface {
	Now() time.Time
	// After returns a channel that gets a value once d has passed, and a
	// function that gives it up.
	After(d time.Duration) (<-chan time.Time, func())
}

type realClock struct{}

func (realClock) Now() time.Time { return time.Now() }
func (realClock) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// TimersOptions say whose timers fire and what that means.
type TimersOptions struct {
	Lanes []int
	// Fire takes the members of TimersKey(lane) whose score is at most now (in
	// milliseconds; some of them if they are many), does what they are for,
	// and returns the earliest time that is left, zero if none is. It is never
	// called twice at once for one lane. After an error it is called again
	// soon.
	Fire func(ctx context.Context, lane int, now time.Time) (next time.Time, err error)
	// Clock is the source of time; nil is the real one. Times in Redis are
	// wall-clock times: the clocks of a fleet must agree to within the
	// precision that is wanted of timers.
	Clock Clock
	// Safety is how often the earliest timers are read although nothing rang;
	// 0 is 2 s. It bounds the delay after a lost ring or a jump of the clock.
	Safety time.Duration
	// Log gets what an operator should know; nil is slog.Default.
	Log *slog.Logger
}

// Timers calls Fire when a lane's earliest timer is due, never before, and
// late by little more than Fire itself takes. The timers are sorted sets in
// Redis; Timers holds only the earliest of each lane in memory, so their
// number does not matter to it.
type Timers struct {
	rdb  redis.UniversalClient
	opts TimersOptions
	log  *slog.Logger

	lanes map[int]*timerLane
	bells *listener
	wg    sync.WaitGroup

	mu      sync.Mutex
	cancel  context.CancelFunc
	stopped bool
}

// timerLane is what one lane's goroutine waits for.
type timerLane struct {
	lane int
	mu   sync.Mutex
	// earliest is the earliest time that was heard of since the goroutine
	// looked; zero is none.
	earliest time.Time
	changed  chan struct{}
}

// arm makes the lane look at a timer at t, unless it does so earlier anyway.
func (l *timerLane) arm(t time.Time) {
	l.mu.Lock()
	if l.earliest.IsZero() || t.Before(l.earliest) {
		l.earliest = t
	}
	l.mu.Unlock()
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *timerLane) take() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.earliest
	l.earliest = time.Time{}
	return t
}

// NewTimers makes Timers on rdb, which stays the caller's.
func NewTimers(rdb redis.UniversalClient, opts TimersOptions) *Timers {
	if opts.Clock == nil {
		opts.Clock = realClock{}
	}
	if opts.Safety <= 0 {
		opts.Safety = 2 * time.Second
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	return &Timers{rdb: rdb, opts: opts, log: opts.Log, lanes: make(map[int]*timerLane)}
}

// Start begins to wait for timers. It does not wait for Redis. ctx is not
// kept. An error says that the options make no sense, or that it was started
// before.
func (t *Timers) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.cancel != nil || t.stopped:
		return errors.New("queue: timers were started before")
	case t.opts.Fire == nil:
		return errors.New("queue: timers have nothing to fire")
	case len(t.opts.Lanes) == 0:
		return errors.New("queue: timers have no lanes")
	}
	var channels []string
	for _, n := range t.opts.Lanes {
		if n < 0 || t.lanes[n] != nil {
			return fmt.Errorf("queue: timers' lane %d is negative or given twice", n)
		}
		t.lanes[n] = &timerLane{lane: n, changed: make(chan struct{}, 1)}
		channels = append(channels, TimerChannel(n))
	}
	look := make(chan struct{}, 1)
	t.bells = &listener{
		rdb: t.rdb, name: "timers", channels: channels, log: t.log,
		heard: func(_, message string) {
			if n, at, ok := parseTimerRing(message); ok && t.lanes[n] != nil {
				t.lanes[n].arm(at)
			}
		},
		changed: func() {
			select {
			case look <- struct{}{}:
			default:
			}
		},
	}
	run, cancel := context.WithCancel(context.Background())
	t.cancel = cancel
	t.wg.Go(func() { t.bells.run(run) })
	t.wg.Go(func() { t.poll(run, look) })
	for _, l := range t.lanes {
		t.wg.Go(func() { t.serve(run, l) })
	}
	return nil
}

// Stop ends Fire's context and waits for it. When ctx ends first, Stop returns
// its error. Stop may be called twice, and without Start.
func (t *Timers) Stop(ctx context.Context) error {
	t.mu.Lock()
	t.stopped = true
	if t.cancel != nil {
		t.cancel()
	}
	t.mu.Unlock()
	done := make(chan struct{})
	go func() {
		t.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// serve fires one lane's timers.
func (t *Timers) serve(ctx context.Context, l *timerLane) {
	var due time.Time
	failures := 0
	for {
		if heard := l.take(); !heard.IsZero() && (due.IsZero() || heard.Before(due)) {
			due = heard
		}
		if due.IsZero() {
			select {
			case <-l.changed:
				continue
			case <-ctx.Done():
				return
			}
		}
		now := t.opts.Clock.Now()
		if wait := due.Sub(now); wait > 0 {
			// A long wait is cut: the poll would arm it again anyway, and a
			// wall clock that jumps is noticed.
			ready, drop := t.opts.Clock.After(min(wait, t.opts.Safety))
			select {
			case <-ready:
			case <-l.changed:
			case <-ctx.Done():
				drop()
				return
			}
			drop()
			continue
		}
		// Scores are whole milliseconds, and a time cut to milliseconds is never
		// ahead of them.
		next, err := t.opts.Fire(ctx, l.lane, time.UnixMilli(now.UnixMilli()))
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if failures == 0 {
				t.log.Warn("timers could not fire; trying again", "lane", l.lane, "error", err)
			}
			due = now.Add(backoff(failures))
			failures++
			continue
		}
		if failures > 0 {
			t.log.Info("timers fire again", "lane", l.lane)
		}
		failures = 0
		due = next
	}
}

// poll reads the earliest timers of all lanes, at every safety interval and
// when the subscription has changed.
func (t *Timers) poll(ctx context.Context, look <-chan struct{}) {
	failed := false
	for {
		every := t.opts.Safety
		if err := t.look(ctx); err != nil {
			if ctx.Err() == nil && !failed {
				t.log.Warn("can't read the timers; trying again", "error", err)
			}
			failed = true
		} else {
			failed = false
		}
		if failed || !t.bells.up.Load() {
			// Nothing rings: look more often.
			every = min(every, 200*time.Millisecond)
		}
		after, drop := t.opts.Clock.After(every*3/4 + rand.N(every/2+1))
		select {
		case <-after:
		case <-look:
		case <-ctx.Done():
			drop()
			return
		}
		drop()
	}
}

// look arms each lane with its earliest timer, read in one pipeline.
func (t *Timers) look(ctx context.Context) error {
	pipe := t.rdb.Pipeline()
	cmds := make(map[int]*redis.ZSliceCmd, len(t.lanes))
	for n := range t.lanes {
		cmds[n] = pipe.ZRangeWithScores(ctx, TimersKey(n), 0, 0)
	}
	_, err := pipe.Exec(ctx)
	for n, cmd := range cmds {
		if zs, e := cmd.Result(); e == nil && len(zs) == 1 {
			t.lanes[n].arm(time.UnixMilli(int64(min(max(zs[0].Score, 0), maxTimerMillis))))
		}
	}
	return err
}
