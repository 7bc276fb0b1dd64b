package enrol

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
)

// knownKey is a hash of the workflows that Redis has users of, each with the
// version of the configuration at which they were judged.
const knownKey = "paragon:{enrol}:known"

// sweep removes who has a workflow and was not judged by its revision: a user
// who was deleted while there was no such workflow.
func (s *Service) sweep(ctx context.Context, wf *cache.Workflow) error {
	key := keyOf(wf.Project, wf.Name)
	for cursor := uint64(0); ; {
		pairs, next, err := s.Redis.ZScan(ctx, key+":on", cursor, "", fillPage).Result()
		if err != nil {
			return fmt.Errorf("look through the users of a workflow: %w", err)
		}
		revisions := make([]*redis.StringCmd, 0, len(pairs)/2)
		_, err = s.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := 0; i < len(pairs); i += 2 {
				revisions = append(revisions, p.HGet(ctx, key+":v:"+pairs[i], "r"))
			}
			return nil
		})
		if err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("look through the users of a workflow: %w", err)
		}
		for i, r := range revisions {
			if judged, err := strconv.ParseInt(r.Val(), 10, 64); err == nil && judged >= wf.Revision {
				continue
			}
			_, err := s.Redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.ZRem(ctx, key+":on", pairs[2*i])
				p.HDel(ctx, key+":seen", pairs[2*i])
				return nil
			})
			if err != nil {
				return fmt.Errorf("remove a user of a workflow: %w", err)
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// forget removes the users of workflows that are gone, or have none any more.
func (s *Service) forget(ctx context.Context) error {
	version := s.Config.Version()
	if s.Config.Ready() != nil || s.forgotten.Load() == version {
		return nil
	}
	known, err := s.Redis.HGetAll(ctx, knownKey).Result()
	if err != nil {
		return fmt.Errorf("look for users of workflows that are gone: %w", err)
	}
	for at, recorded := range known {
		project, name, _ := strings.Cut(at, "/")
		// A process that does not know of a new workflow yet is to leave it alone.
		if since, err := strconv.ParseInt(recorded, 10, 64); err == nil && since >= version {
			continue
		}
		if p := s.Config.Project(project); p != nil {
			if wf := p.Workflow(name); wf != nil && (wf.Broken != nil || wf.Users != nil) {
				continue
			}
		}
		key := keyOf(project, name)
		if err := s.Redis.Unlink(ctx, key+":rule", key+":on", key+":seen").Err(); err != nil {
			return fmt.Errorf("remove the users of a workflow that is gone: %w", err)
		}
		if err := s.Redis.HDel(ctx, knownKey, at).Err(); err != nil {
			return fmt.Errorf("remove the users of a workflow that is gone: %w", err)
		}
	}
	s.forgotten.Store(version)
	return nil
}
