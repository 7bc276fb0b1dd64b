package execution

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Workers show that they live by a heartbeat in a sorted set whose scores are
// Redis' own time: the clocks of the machines do not matter.
const (
	workersKey = "paragon:{workers}:alive"
	beatEvery  = time.Second
	// deadAfter is how long a worker may be silent. It bounds, with the
	// reaper's round and the wait of a job, how soon its runs go on.
	deadAfter = 5 * time.Second
)

// beatScript notes a heartbeat.
// KEYS[1] the workers; ARGV[1] the worker.
var beatScript = redis.NewScript(`
local t = redis.call('TIME')
return redis.call('ZADD', KEYS[1], string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)), ARGV[1])`)

// silentScript lists the workers that have been silent for too long, and all
// that are known.
// KEYS[1] the workers; ARGV[1] silence in ms.
var silentScript = redis.NewScript(`
local t = redis.call('TIME')
local before = t[1] * 1000 + math.floor(t[2] / 1000) - ARGV[1]
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', before))`)

func beat(ctx context.Context, rdb redis.UniversalClient, worker string) error {
	return beatScript.Run(ctx, rdb, []string{workersKey}, worker).Err()
}

func leaveWorkers(ctx context.Context, rdb redis.UniversalClient, worker string) error {
	if err := rdb.ZRem(ctx, workersKey, worker).Err(); err != nil {
		return fmt.Errorf("leave the workers: %w", err)
	}
	return nil
}

func silentWorkers(ctx context.Context, rdb redis.UniversalClient) ([]string, error) {
	ids, err := silentScript.Run(ctx, rdb, []string{workersKey}, strconv.FormatInt(deadAfter.Milliseconds(), 10)).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("look for dead workers: %w", err)
	}
	return ids, nil
}

// WorkerInfo is a worker that is known.
type WorkerInfo struct {
	ID       string    `json:"id"`
	LastSeen time.Time `json:"lastSeen"`
}

// Workers lists the workers that are known, alive or silent.
func Workers(ctx context.Context, rdb redis.UniversalClient) ([]WorkerInfo, error) {
	all, err := rdb.ZRangeWithScores(ctx, workersKey, 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list the workers: %w", err)
	}
	out := make([]WorkerInfo, len(all))
	for i, z := range all {
		id, _ := z.Member.(string)
		out[i] = WorkerInfo{ID: id, LastSeen: time.UnixMilli(int64(z.Score)).UTC()}
	}
	return out, nil
}

// keepBeating shows that the worker lives, until ctx is done.
func (w *Worker) keepBeating(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		once, cancel := context.WithTimeout(ctx, 2*beatEvery)
		err := beat(once, w.opts.Redis, w.opts.ID)
		w.beaten.Store(&err)
		if err != nil && ctx.Err() == nil {
			w.log.Warn("heartbeat failed; others take this worker's runs if it stays so", "error", err)
		}
		cancel()
	}
}

// Beating tells why the latest heartbeat failed; nil when it did not.
func (w *Worker) Beating() error {
	if err := w.beaten.Load(); err != nil && *err != nil {
		return fmt.Errorf("its heartbeat fails; others take its runs if it stays so: %w", *err)
	}
	return nil
}

// reconcileEvery is how often a worker compares what Redis says it has with
// what it has.
const reconcileEvery = 5 * time.Second

// reconcile gives back runs that are this worker's in Redis but not here: the
// reply to their claim was lost, or their segment ended without a checkpoint.
// A run is given back when two rounds in a row find it so.
func (w *Worker) reconcile(ctx context.Context) {
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	suspects := map[string]bool{}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		next := map[string]bool{}
		for _, ln := range w.ledger.lanes {
			if err := w.reconcileLane(ctx, ln, suspects, next); err != nil && ctx.Err() == nil {
				w.log.Warn("runs can't be compared with Redis", "lane", ln.number, "error", err)
			}
		}
		suspects = next
	}
}

func (w *Worker) reconcileLane(ctx context.Context, ln *lane, suspects, next map[string]bool) error {
	ids, err := w.opts.Redis.HKeys(ctx, claimsKey(ln, w.opts.ID)).Result()
	if err != nil {
		return err
	}
	var lost []string
	w.mu.Lock()
	for _, id := range ids {
		switch {
		case w.active[id] != nil:
		case suspects[id]:
			lost = append(lost, id)
		default:
			next[id] = true
		}
	}
	w.mu.Unlock()
	if len(lost) == 0 {
		return nil
	}
	jobs, err := w.ledger.takeBack(ctx, ln, w.opts.ID, true, len(lost), lost...)
	if err != nil {
		return err
	}
	return enqueueJobs(ctx, w.opts.Queue, ln, jobs)
}
