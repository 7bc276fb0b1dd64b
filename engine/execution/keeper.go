package execution

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/queue"
	"paragon/schema"
)

// KeeperOptions are what a Keeper works with.
type KeeperOptions struct {
	Redis redis.UniversalClient
	Lanes int
	Queue *queue.Client
	Now   func() time.Time
	Log   *slog.Logger
}

// Keeper sees to it that no run is forgotten: it wakes parked runs when their
// time comes, takes over the runs of dead workers, finds queued runs whose job
// was lost, and tells callers what they have not been told. Each of its acts
// is one script or harmless when done twice, so that any number of keepers may
// work at once.
type Keeper struct {
	opts      KeeperOptions
	log       *slog.Logger
	ledger    *ledger
	timers    *queue.Timers
	inspector *queue.Inspector

	turn  int                     // counts rounds
	next  map[queue.Target]string // the runs that were next at the last look
	quit  context.CancelFunc
	loops sync.WaitGroup
}

// NewKeeper makes a keeper; Start it.
func NewKeeper(opts KeeperOptions) *Keeper {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{
		opts: opts, log: opts.Log, next: map[queue.Target]string{},
		ledger:    newLedger(opts.Redis, opts.Lanes, "", opts.Now),
		inspector: queue.NewInspector(opts.Redis, queue.Lanes(opts.Lanes)),
	}
	k.timers = queue.NewTimers(opts.Redis, queue.TimersOptions{
		Lanes: queue.Lanes(opts.Lanes), Fire: k.fire, Log: opts.Log,
	})
	return k
}

// Start begins to keep.
func (k *Keeper) Start(ctx context.Context) error {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	k.quit = quit
	if err := k.timers.Start(ctx); err != nil {
		quit()
		return fmt.Errorf("start the timers: %w", err)
	}
	k.loops.Add(1)
	go func() { defer k.loops.Done(); k.rounds(loop) }()
	return nil
}

// Stop ends what Start began.
func (k *Keeper) Stop(ctx context.Context) error {
	k.quit()
	err := k.timers.Stop(ctx)
	k.loops.Wait()
	return errors.Join(err, k.ledger.stop(ctx))
}

// fireBatch bounds the runs that one script wakes.
const fireBatch = 500

// fire wakes the runs of a lane that are due.
func (k *Keeper) fire(ctx context.Context, lane int, now time.Time) (time.Time, error) {
	ln := k.ledger.lanes[lane]
	for {
		next, jobs, err := k.ledger.due(ctx, ln, now, fireBatch)
		if err != nil {
			return time.Time{}, err
		}
		// Should this fail, the runs are queued without a job: stranded finds
		// them.
		if err := enqueueJobs(ctx, k.opts.Queue, ln, jobs); err != nil {
			return time.Time{}, err
		}
		if len(jobs) < fireBatch {
			return next, nil
		}
	}
}

// The rhythm of the keeper. What it takes over, it takes only after it has
// itself seen Redis answer for steadyRounds: after an outage of Redis nobody's
// heartbeat is fresh, and all the workers may be well.
const (
	roundEvery   = time.Second
	steadyRounds = int(deadAfter/roundEvery) + 1
	sweepBatch   = 500
	// strandedBatch bounds the runs that one look gives new jobs to.
	strandedBatch = 5000
	// lookEvery is after how many rounds a lane is looked at again.
	lookEvery = 4
)

func (k *Keeper) rounds(ctx context.Context) {
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	steady := 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		once, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := k.round(once, steady >= steadyRounds)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			steady = 0
			k.log.Warn("a round of the keeper failed; the next follows", "error", err)
		default:
			steady++
		}
	}
}

func (k *Keeper) round(ctx context.Context, takeOver bool) error {
	silent, err := silentWorkers(ctx, k.opts.Redis)
	if err != nil {
		return err
	}
	if takeOver {
		for _, worker := range silent {
			if err := k.bury(ctx, worker); err != nil {
				return err
			}
		}
	}
	// A part of the lanes in turn: what is looked for there is rare, and an idle
	// system should cost Redis next to nothing.
	k.turn++
	for i, ln := range k.ledger.lanes {
		if (i+k.turn)%lookEvery != 0 {
			continue
		}
		if err := k.look(ctx, ln); err != nil {
			return err
		}
	}
	return nil
}

// look sees to a lane: with nothing queued for long and nobody to tell, as in
// an idle system, it is one script.
func (k *Keeper) look(ctx context.Context, ln *lane) error {
	v, err := k.ledger.view(ctx, ln)
	if err != nil {
		return err
	}
	for _, p := range queue.Priorities() {
		if err := k.findStranded(ctx, ln, p, v.queues[p].next); err != nil {
			return err
		}
	}
	for _, workflow := range v.held {
		// Whoever resumed it died on the way.
		if err := k.ledger.letGo(ctx, k.opts.Queue, ln, workflow, false); err != nil {
			return err
		}
	}
	if v.untold == 0 {
		return nil
	}
	return k.tellCallers(ctx, ln)
}

// bury takes over the runs of a dead worker.
func (k *Keeper) bury(ctx context.Context, worker string) error {
	taken := 0
	for _, ln := range k.ledger.lanes {
		for {
			jobs, err := k.ledger.takeBack(ctx, ln, worker, true, sweepBatch)
			if err != nil {
				return err
			}
			if err := enqueueJobs(ctx, k.opts.Queue, ln, jobs); err != nil {
				return err
			}
			taken += len(jobs)
			left, err := k.opts.Redis.HLen(ctx, claimsKey(ln, worker)).Result()
			if err != nil {
				return fmt.Errorf("count the runs of worker %s: %w", worker, err)
			}
			if left == 0 {
				break
			}
		}
	}
	level := slog.LevelWarn
	if taken == 0 {
		level = slog.LevelInfo // as when it has drained
	}
	k.log.Log(ctx, level, "a worker is gone; its runs go on elsewhere", "worker", worker, "runs", taken)
	return leaveWorkers(ctx, k.opts.Redis, worker)
}

// findStranded gives jobs to queued runs of a priority that have none: the
// queue hands out nothing, and the run that is next has been so since the look
// before. While jobs wait none is stranded, since any job takes any run: should
// some be lost, it shows when the others have been used.
func (k *Keeper) findStranded(ctx context.Context, ln *lane, p schema.Priority, next string) error {
	target := queue.Target{Lane: ln.number, Priority: p}
	before := k.next[target]
	k.next[target] = next
	if next == "" || next != before {
		return nil
	}
	if _, waits, err := k.inspector.OldestPending(ctx, target); err != nil {
		return fmt.Errorf("look at queue %s: %w", target, err)
	} else if waits {
		return nil
	}
	ids, err := k.ledger.queued(ctx, ln, p, strandedBatch)
	if err != nil || len(ids) == 0 {
		return err
	}
	k.log.Warn("queued runs had lost their job; they have a new one", "queue", target.String(), "runs", len(ids))
	if err := k.opts.Queue.Enqueue(ctx, target, ids...); err != nil {
		return fmt.Errorf("queue stranded runs: %w", err)
	}
	return nil
}

// tellCallers tells what workers died before telling.
func (k *Keeper) tellCallers(ctx context.Context, ln *lane) error {
	rest, err := k.opts.Redis.HGetAll(ctx, ln.key+":untold").Result()
	if err != nil {
		return fmt.Errorf("look for callers of lane %d: %w", ln.number, err)
	}
	for id, what := range rest {
		if err := tellCaller(ctx, k.ledger, k.opts.Queue, id, what); err != nil {
			return err
		}
	}
	return nil
}
