package execution

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/schema"
	"paragon/schema/api"
)

// Glance is how many runs are queued in all, since when the oldest is (zero for
// none), and the workers: as Queues and Workers tell it, by few commands where
// nothing is queued and no worker has a run.
func (s *Service) Glance(ctx context.Context) (runs int64, oldest time.Time, workers []api.Worker, err error) {
	known, workers, err := s.knownWorkers(ctx)
	if err != nil {
		return 0, time.Time{}, nil, err
	}
	if busy, err := s.ledger.anyBusy(ctx, known); err != nil || !busy {
		return 0, time.Time{}, workers, err
	}
	if err := s.countRuns(ctx, workers); err != nil {
		return 0, time.Time{}, nil, err
	}
	views, err := s.ledger.views(ctx)
	for _, v := range views {
		for _, q := range v.queues {
			runs += q.runs
			if !q.oldest.IsZero() && (oldest.IsZero() || q.oldest.Before(oldest)) {
				oldest = q.oldest
			}
		}
	}
	return runs, oldest, workers, err
}

// Workers lists the workers that are known, with how many runs each has.
func (s *Service) Workers(ctx context.Context) ([]api.Worker, error) {
	_, workers, err := s.knownWorkers(ctx)
	if err != nil {
		return nil, err
	}
	return workers, s.countRuns(ctx, workers)
}

// knownWorkers lists the workers without their runs.
func (s *Service) knownWorkers(ctx context.Context) ([]WorkerInfo, []api.Worker, error) {
	known, err := Workers(ctx, s.opts.Redis)
	if err != nil {
		return nil, nil, err
	}
	// Heartbeats are in Redis' time, so that is what their age is taken by.
	now, err := s.opts.Redis.Time(ctx).Result()
	if err != nil {
		return nil, nil, fmt.Errorf("list the workers: read Redis' clock: %w", err)
	}
	workers := make([]api.Worker, len(known))
	for i, w := range known {
		workers[i] = api.Worker{ID: w.ID, LastSeen: w.LastSeen, Alive: now.Sub(w.LastSeen) < deadAfter}
	}
	return known, workers, nil
}

// countRuns counts what each worker has.
func (s *Service) countRuns(ctx context.Context, workers []api.Worker) error {
	pipe := s.opts.Redis.Pipeline()
	counts := make([][]*redis.IntCmd, len(workers))
	for i, w := range workers {
		for _, ln := range s.ledger.lanes {
			counts[i] = append(counts[i], pipe.HLen(ctx, claimsKey(ln, w.ID)))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("list the workers: count what they run: %w", err)
	}
	for i := range workers {
		for _, n := range counts[i] {
			workers[i].Running += n.Val()
		}
	}
	return nil
}

// WorkerRuns lists the runs of a project that a worker has now, newest first;
// cursor is the id of a run that the list goes on after. A worker that is not
// known has none.
func (s *Service) WorkerRuns(ctx context.Context, project, worker, cursor string, limit int) (api.List[schema.Run], error) {
	if limit <= 0 {
		limit = listLimit
	}
	limit = min(limit, maxList)
	out := api.List[schema.Run]{Items: []schema.Run{}}
	away := func(err error) (api.List[schema.Run], error) {
		return out, unavailable("the worker's runs can't be listed: Redis does not answer", err)
	}
	var ids []string
	for _, ln := range s.ledger.lanes {
		of, err := s.opts.Redis.HKeys(ctx, claimsKey(ln, worker)).Result()
		if err != nil {
			return away(err)
		}
		ids = append(ids, of...)
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return cursor != "" && id >= cursor })
	slices.SortFunc(ids, func(x, y string) int { return strings.Compare(y, x) })
	for page := range slices.Chunk(ids, maxList) {
		runs, err := s.loadRuns(ctx, project, page)
		if err != nil {
			return away(err)
		}
		for _, run := range runs {
			if len(out.Items) == limit {
				out.NextCursor = out.Items[limit-1].ID
				return out, nil
			}
			out.Items = append(out.Items, run)
		}
	}
	return out, nil
}

// loadRuns loads those of some runs that are the project's and in Redis, newest
// first.
func (s *Service) loadRuns(ctx context.Context, project string, ids []string) ([]schema.Run, error) {
	byLane := map[*lane][]string{}
	for _, id := range ids {
		if ln := s.ledger.lane(id); ln != nil {
			byLane[ln] = append(byLane[ln], id)
		}
	}
	var runs []schema.Run
	for ln, of := range byLane {
		states, err := s.ledger.loadMany(ctx, ln, of)
		if err != nil {
			return nil, err
		}
		for _, st := range states {
			if st.start.Project != project {
				continue
			}
			run, err := st.run()
			if err != nil {
				return nil, err
			}
			runs = append(runs, *run)
		}
	}
	slices.SortFunc(runs, func(x, y schema.Run) int { return strings.Compare(y.ID, x.ID) })
	return runs, nil
}
