package execution

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"paragon/schema"
	"paragon/schema/api"
)

// Workers lists the workers that are known, with how many runs each has.
func (s *Service) Workers(ctx context.Context) ([]api.Worker, error) {
	known, err := Workers(ctx, s.opts.Redis)
	if err != nil {
		return nil, err
	}
	// Heartbeats are in Redis' time, so that is what their age is taken by.
	now, err := s.opts.Redis.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("list the workers: read Redis' clock: %w", err)
	}
	pipe := s.opts.Redis.Pipeline()
	counts := make([][]*redis.IntCmd, len(known))
	for i, w := range known {
		for _, ln := range s.ledger.lanes {
			counts[i] = append(counts[i], pipe.HLen(ctx, claimsKey(ln, w.ID)))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("list the workers: count what they run: %w", err)
	}
	out := make([]api.Worker, len(known))
	for i, w := range known {
		out[i] = api.Worker{ID: w.ID, LastSeen: w.LastSeen, Alive: now.Sub(w.LastSeen) < deadAfter}
		for _, n := range counts[i] {
			out[i].Running += n.Val()
		}
	}
	return out, nil
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
