package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/execution"
	"paragon/schema"
	"paragon/workflows/interpret"
)

// Runs is what the scheduler needs of the execution plane.
type Runs interface {
	Trigger(ctx context.Context, req execution.Request) (*schema.Run, error)
	// Live tells whether a run has not ended.
	Live(ctx context.Context, project, id string) (bool, error)
	Cancel(ctx context.Context, project, id, actor string) (*schema.Run, error)
}

// Options are what a Scheduler works with.
type Options struct {
	Redis  redis.UniversalClient
	Config *cache.Cache
	Runs   Runs
	// Users tells who has the workflows with users; nil: those are not fired.
	Users Users
	// ID identifies the scheduler; default a random one.
	ID  string
	Now func() time.Time
	Log *slog.Logger
}

// Scheduler fires cron triggers while it is the leader.
type Scheduler struct {
	opts Options
	log  *slog.Logger
	// entries lists the triggers, and tells whether these are all.
	entries func() ([]*entry, bool)
	// subscribe asks to be told when they change.
	subscribe func(func()) (leave func())
	wake      chan struct{}
	quit      context.CancelFunc
	done      sync.WaitGroup
	// failed is what the latest round ended with.
	failed atomic.Pointer[error]
}

// New makes a scheduler; Start it.
func New(opts Options) *Scheduler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.ID == "" {
		opts.ID = execution.NewWorkerID()
	}
	return &Scheduler{
		opts: opts, log: opts.Log, wake: make(chan struct{}, 1),
		entries:   func() ([]*entry, bool) { return entriesOf(opts.Config) },
		subscribe: func(f func()) func() { return opts.Config.Subscribe(f) },
	}
}

// Start begins to stand for leader.
func (s *Scheduler) Start(ctx context.Context) error {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	s.quit = quit
	leave := s.subscribe(func() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	})
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		defer leave()
		s.loop(loop)
	}()
	return nil
}

// Stop gives the lead back and ends.
func (s *Scheduler) Stop(ctx context.Context) error {
	s.quit()
	s.done.Wait()
	if err := resign(ctx, s.opts.Redis, s.opts.ID); err != nil {
		// The lease runs out by itself: others lead a few seconds later.
		s.log.Warn("the lead of cron could not be given back", "error", err)
	}
	return nil
}

// standEvery is how often the lease is asked for or prolonged.
const standEvery = 1500 * time.Millisecond

func (s *Scheduler) loop(ctx context.Context) {
	wait := time.Duration(0)
	for {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-s.wake:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
		wait = standEvery
		leading, err := lead(ctx, s.opts.Redis, s.opts.ID)
		if err == nil && leading {
			var next time.Time
			if next, err = s.round(ctx); err == nil && !next.IsZero() {
				wait = min(wait, max(next.Sub(s.opts.Now()), time.Millisecond))
			}
		}
		s.failed.Store(&err)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("cron triggers can't be fired now; they are made up for", "error", err)
		}
	}
}

// Firing tells why cron triggers can't be fired; nil when they are, by this
// process or by the one that leads.
func (s *Scheduler) Firing() error {
	if err := s.failed.Load(); err != nil && *err != nil {
		return fmt.Errorf("cron triggers can't be fired now; they are made up for: %w", *err)
	}
	return nil
}

const marksKey = "paragon:{cron}:marks"

// round fires what is due, and returns when the next is.
func (s *Scheduler) round(ctx context.Context) (next time.Time, err error) {
	entries, all := s.entries()
	if len(entries) == 0 && !all {
		return time.Time{}, nil
	}
	marks, err := s.opts.Redis.HGetAll(ctx, marksKey).Result()
	if err != nil {
		return time.Time{}, fmt.Errorf("read what cron has fired: %w", err)
	}
	if all {
		if err := s.forget(ctx, entries, marks); err != nil {
			return time.Time{}, err
		}
	}
	var errs []error
	for _, e := range entries {
		fire := s.one
		if e.users() {
			fire = s.walkOn
		}
		at, err := fire(ctx, e, marks[e.id()])
		if err != nil {
			errs = append(errs, fmt.Errorf("cron trigger %s: %w", e.id(), err))
			continue
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, errors.Join(errs...)
}

// forget removes the marks of triggers that are gone: one of the same name, later,
// is a new one.
func (s *Scheduler) forget(ctx context.Context, entries []*entry, marks map[string]string) error {
	known := make(map[string]bool, len(entries))
	for _, e := range entries {
		known[e.id()] = true
	}
	var gone []string
	for id := range marks {
		if !known[id] {
			gone = append(gone, id)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	keys := make([]string, len(gone))
	for i, id := range gone {
		keys[i] = lastKey + id
	}
	if err := errors.Join(s.opts.Redis.HDel(ctx, marksKey, gone...).Err(), s.opts.Redis.Unlink(ctx, keys...).Err()); err != nil {
		return fmt.Errorf("forget what cron has fired: %w", err)
	}
	return nil
}

// one fires what is due of one trigger.
func (s *Scheduler) one(ctx context.Context, e *entry, known string) (time.Time, error) {
	now, shift := s.opts.Now(), e.jitter()
	m, ok := readMark(known)
	if !ok || m.Rule != e.rule() {
		// A new trigger: nothing before now was ever due.
		m = mark{Last: now.Add(-shift), Run: m.Run, Rule: e.rule()}
		if err := s.note(ctx, e, m); err != nil {
			return time.Time{}, err
		}
	}
	due := e.missed(m.Last, now.Add(-shift))
	for _, at := range due {
		run, err := s.fire(ctx, e, at, m.Run)
		if err != nil {
			return time.Time{}, err
		}
		m.Last = at
		if run != "" {
			m.Run = run
		}
		if err := s.note(ctx, e, m); err != nil {
			return time.Time{}, err
		}
	}
	if at := e.cron.Next(now.Add(-shift)); !at.IsZero() {
		return at.Add(shift), nil
	}
	return time.Time{}, nil
}

// fire starts the run of one time, unless the overlap policy says no.
func (s *Scheduler) fire(ctx context.Context, e *entry, at time.Time, before string) (string, error) {
	if may, err := s.mayOverlap(ctx, e, at, before); err != nil || !may {
		return "", err
	}
	trigger := schema.Trigger{Kind: "cron", ID: e.trigger.Spec.ID, Time: at.UTC()}
	input, _, err := interpret.TriggerInput(e.trigger, trigger, nil, interpret.Person{})
	if err != nil {
		return "", s.refused(e, at, err)
	}
	run, err := s.opts.Runs.Trigger(ctx, execution.Request{
		Project: e.project, Workflow: e.workflow, Input: input, Trigger: trigger,
		IdempotencyKey: "cron/" + e.trigger.Spec.ID + "/" + strconv.FormatInt(at.Unix(), 10),
	})
	if err != nil {
		return "", s.refused(e, at, err)
	}
	return run.ID, nil
}

// mayOverlap tells whether a time may be fired while the run before may not have
// ended; it ends that one when the policy says so.
func (s *Scheduler) mayOverlap(ctx context.Context, e *entry, at time.Time, before string) (bool, error) {
	if before == "" || e.overlaps() {
		return true, nil
	}
	live, err := s.opts.Runs.Live(ctx, e.project, before)
	if err != nil || !live {
		return err == nil, err
	}
	if e.spec.Overlap == "skip" {
		s.log.Info("a cron time was skipped: the run before has not ended", "trigger", e.id(), "time", at, "run", before)
		return false, nil
	}
	if _, err := s.opts.Runs.Cancel(ctx, e.project, before, "cron trigger "+e.trigger.Spec.ID); err != nil && !isConflict(err) {
		return false, err
	}
	return true, nil
}

// refused passes over a time that can never be fired, and keeps the others for
// another try.
func (s *Scheduler) refused(e *entry, at time.Time, err error) error {
	var problem *schema.Problem
	if errors.As(err, &problem) && problem.Status < 500 {
		s.log.Error("a cron time can't be fired", "trigger", e.id(), "time", at, "error", err)
		return nil
	}
	return err
}

func isConflict(err error) bool {
	var problem *schema.Problem
	return errors.As(err, &problem) && problem.Type == schema.ProblemConflict
}

func (s *Scheduler) note(ctx context.Context, e *entry, m mark) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := s.opts.Redis.HSet(ctx, marksKey, e.id(), raw).Err(); err != nil {
		return fmt.Errorf("note what was fired: %w", err)
	}
	return nil
}
