package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"paragon/engine/cache"
	"paragon/engine/logs"
	"paragon/engine/store"
	"paragon/schema"
)

// Rebuilder puts durable runs back into Redis that are in the store and not
// there: all of them when Redis has come back empty, and single ones whose
// acceptance was cut off between the store and Redis.
type Rebuilder struct {
	service *Service
	quit    context.CancelFunc
	done    sync.WaitGroup
}

// NewRebuilder makes a rebuilder of the service's runs; Start it.
func NewRebuilder(s *Service) *Rebuilder { return &Rebuilder{service: s} }

const (
	// epochEvery is how often Redis is asked whether it still has its memory.
	epochEvery = time.Second
	// compareEvery is how often store and Redis are compared, and compareAge
	// how old a run must be to count as cut off.
	compareEvery = time.Minute
	compareAge   = 30 * time.Second
	rebuildBatch = 500
)

// Start rebuilds what is missing now, and goes on watching.
func (r *Rebuilder) Start(ctx context.Context) error {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	r.quit = quit
	if err := errors.Join(r.service.applyPauses(ctx), r.check(ctx)); err != nil {
		quit()
		return err
	}
	r.done.Add(1)
	go func() { defer r.done.Done(); r.watch(loop) }()
	return nil
}

// Stop ends the watch.
func (r *Rebuilder) Stop(context.Context) error {
	r.quit()
	r.done.Wait()
	return nil
}

func (r *Rebuilder) watch(ctx context.Context) {
	tick := time.NewTicker(epochEvery)
	defer tick.Stop()
	compared := time.Now()
	log := r.service.opts.Log
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := r.check(ctx); err != nil && ctx.Err() == nil {
			log.Warn("Redis can't be compared with the store now", "error", err)
			continue
		}
		if time.Since(compared) < compareEvery {
			continue
		}
		compared = time.Now()
		if n, err := r.restore(ctx, compareAge); err != nil && ctx.Err() == nil {
			log.Warn("durable runs can't be compared with Redis now", "error", err)
		} else if n > 0 {
			log.Warn("durable runs were missing in Redis; they are queued again", "runs", n)
		}
	}
}

// check rebuilds the runs when Redis has no epoch: it is new or has lost its
// memory. The epoch is written last, so that a rebuild that was cut off is
// done again.
func (r *Rebuilder) check(ctx context.Context) error {
	rdb := r.service.opts.Redis
	n, err := rdb.Exists(ctx, cache.EpochKey).Result()
	if err != nil {
		return fmt.Errorf("look for Redis' epoch: %w", err)
	}
	if n == 1 {
		return nil
	}
	// Before the runs are there, so that none begins that is to be held.
	if err := r.service.applyPauses(ctx); err != nil {
		return err
	}
	// Before the store is asked what it knows of the runs: rows that a flusher
	// has read and not written yet must not come after.
	var streams []string
	for lane := range r.service.opts.Lanes {
		streams = append(streams, logs.StreamKeys(lane)...)
	}
	if err := r.service.opts.Store.FenceLog(ctx, streams); err != nil {
		return fmt.Errorf("fence the log: %w", err)
	}
	restored, err := r.restore(ctx, 0)
	if err != nil {
		return err
	}
	if restored > 0 {
		r.service.opts.Log.Warn("Redis had lost its memory; durable runs were rebuilt from the store", "runs", restored)
	}
	return rdb.SetNX(ctx, cache.EpochKey, r.service.opts.Now().UTC().Format(time.RFC3339Nano), 0).Err()
}

// restore puts accepted runs that are older than an age and not in Redis back
// into it, with the steps that the store knows to be finished.
func (r *Rebuilder) restore(ctx context.Context, age time.Duration) (restored int, err error) {
	runs := r.service.opts.Store
	for after := ""; ; {
		rows, err := runs.Accepted(ctx, after, rebuildBatch)
		if err != nil {
			return restored, fmt.Errorf("list durable runs: %w", err)
		}
		for _, row := range rows {
			after = row.ID
			if age > 0 && r.service.opts.Now().Sub(row.CreatedAt) < age {
				continue
			}
			n, err := r.restoreOne(ctx, row)
			if err != nil {
				return restored, err
			}
			restored += n
		}
		if len(rows) < rebuildBatch {
			return restored, nil
		}
	}
}

func (r *Rebuilder) restoreOne(ctx context.Context, row store.AcceptedRun) (int, error) {
	s := r.service
	ln := s.ledger.lane(row.ID)
	if ln == nil {
		s.opts.Log.Error("a durable run belongs to a lane that does not exist; start with more lanes", "run", row.ID)
		return 0, nil
	}
	n, err := s.opts.Redis.Exists(ctx, ln.key+":run:"+row.ID).Result()
	if err != nil || n == 1 {
		return 0, err
	}
	var st start
	if err := json.Unmarshal(row.Meta, &st); err != nil {
		s.opts.Log.Error("a durable run can't be read", "run", row.ID, "error", err)
		return 0, nil
	}
	if _, err := s.opts.Store.Run(ctx, row.Project, row.ID); err == nil {
		return 0, nil // it has ended
	} else if !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	history, missed, err := s.intake.recall(ctx, row.ID, &st)
	if err != nil {
		return 0, err
	}
	st.History = nil // it is in history
	d := draft{id: row.ID, start: &st, idem: row.IdempotencyKey, history: history}
	if wf, err := s.opts.Config.WorkflowAt(ctx, st.Project, st.Workflow, st.Revision); err == nil && wf.Broken == nil {
		var input any
		if err := ignoreLost(fetchInput(ctx, s.opts.Payloads, &st)); err != nil {
			return 0, err
		}
		if json.Unmarshal(st.Input, &input) == nil {
			if words, err := limitsOf(wf, &st, input); err == nil {
				d.limits = placeOnly(words)
			}
		}
	}
	back, err := s.intake.putBack(ctx, d)
	if err != nil {
		return back, err
	}
	return back, s.intake.tellEnds(ctx, row.ID, missed...)
}

// latest picks the latest record of each path: what a run goes on from.
func latest(recs []schema.StepRecord) []schema.StepRecord {
	last := map[string]int{}
	var out []schema.StepRecord
	for _, rec := range recs {
		rec.Attempts = nil
		if i, ok := last[rec.Path]; ok {
			out[i] = rec
			continue
		}
		last[rec.Path] = len(out)
		out = append(out, rec)
	}
	return out
}
