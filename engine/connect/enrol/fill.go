package enrol

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/store"
)

const (
	// fillPage is how many users are judged at once.
	fillPage = 500
	// fillLease is how long who judges a workflow's users has it after each page.
	fillLease = 15 * time.Second
)

// Start judges users where the workflow's rules have changed or Redis has lost
// who has it, until Shutdown.
func (s *Service) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil {
		return errors.New("enrol: started twice")
	}
	run, quit := context.WithCancel(context.WithoutCancel(ctx))
	s.quit, s.done = quit, make(chan struct{})
	wake := make(chan struct{}, 1)
	leave := s.Config.Subscribe(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	go func() {
		defer close(s.done)
		defer leave()
		s.loop(run, wake)
	}()
	return nil
}

// Shutdown ends what Start began, and waits for it until ctx is done. It may be
// called twice.
func (s *Service) Shutdown(ctx context.Context) {
	s.mu.Lock()
	quit, done := s.quit, s.done
	s.mu.Unlock()
	if done == nil {
		return
	}
	quit()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (s *Service) loop(ctx context.Context, wake chan struct{}) {
	tick := time.NewTicker(s.Poll)
	defer tick.Stop()
	failing := ""
	for {
		err := s.Fill(ctx)
		if text := fmt.Sprint(err); err != nil && ctx.Err() == nil && text != failing {
			s.Log.WarnContext(ctx, "who has which workflow can't be brought to Redis; trying again", "error", err)
			failing = text
		} else if err == nil {
			failing = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-wake:
		}
	}
}

// Fill judges the users of each workflow whose current revision they were not
// judged by, or whose users Redis has lost.
func (s *Service) Fill(ctx context.Context) error {
	var errs []error
	for _, p := range s.Config.Projects() {
		list := s.withUsers(p.Name)
		if len(list) == 0 {
			continue
		}
		rules := make([]*redis.StringCmd, len(list))
		_, err := s.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i, wf := range list {
				rules[i] = pipe.Get(ctx, keyOf(p.Name, wf.Name)+":rule")
			}
			return nil
		})
		if err != nil && !errors.Is(err, redis.Nil) {
			return fmt.Errorf("look for users of workflows in Redis: %w", err)
		}
		for i, wf := range list {
			judged, err := strconv.ParseInt(rules[i].Val(), 10, 64)
			if err == nil && judged >= wf.Revision {
				continue // by this revision, or by one that this process is to hear of
			}
			if err := s.fill(ctx, wf); err != nil {
				errs = append(errs, fmt.Errorf("workflow %s of project %s: %w", wf.Name, wf.Project, err))
			}
		}
	}
	return errors.Join(append(errs, s.forget(ctx))...)
}

// fill judges all users of a project for a workflow, unless another process
// does.
func (s *Service) fill(ctx context.Context, wf *cache.Workflow) error {
	key := keyOf(wf.Project, wf.Name)
	mine := strconv.FormatInt(wf.Revision, 10) + "/" + strconv.FormatInt(s.Now().UnixNano(), 36)
	taken, err := s.Redis.SetNX(ctx, key+":filling", mine, fillLease).Result()
	if err != nil || !taken {
		return err
	}
	defer s.Redis.Del(context.WithoutCancel(ctx), key+":filling")
	if err := s.Redis.HSet(ctx, knownKey, wf.Project+"/"+wf.Name, s.Config.Version()).Err(); err != nil {
		return err
	}
	for after := ""; ; {
		page, err := s.Store.Users(ctx, wf.Project, after, fillPage)
		if err != nil {
			return err
		}
		if len(page) > 0 {
			if err := s.judgePage(ctx, wf, after, page); err != nil {
				return err
			}
			after = page[len(page)-1].ID
		}
		if len(page) < fillPage {
			if err := s.sweep(ctx, wf); err != nil {
				return err
			}
			return s.Redis.Set(ctx, key+":rule", wf.Revision, 0).Err()
		}
		if err := s.Redis.Expire(ctx, key+":filling", fillLease).Err(); err != nil {
			return err
		}
	}
}

func (s *Service) judgePage(ctx context.Context, wf *cache.Workflow, after string, page []store.User) error {
	list, err := s.Store.WorkflowUsers(ctx, wf.Project, wf.Name, after, page[len(page)-1].ID, 0)
	if err != nil {
		return err
	}
	chosen := make(map[string]*store.UserWorkflow, len(list))
	for i := range list {
		chosen[list[i].User] = &list[i]
	}
	states := make([]state, len(page))
	for i := range page {
		u := &page[i]
		change := u.Generation
		if c := chosen[u.ID]; c != nil {
			change = max(change, c.Generation)
		}
		v := judge(wf, u, chosen[u.ID], s.Now())
		states[i] = state{project: wf.Project, workflow: wf.Name, revision: wf.Revision, change: change, user: u.ID, who: v.has()}
	}
	codes, err := putAll(ctx, s.Redis, states)
	if err != nil {
		return err
	}
	for i, code := range codes {
		if code != wroteNothing {
			continue
		}
		// The user changed meanwhile, and was written by an earlier revision:
		// read again, with what is there now.
		if err := s.again(ctx, wf, states[i].user); err != nil {
			return err
		}
	}
	return nil
}

// again judges one user by what the store has now, as a change that is as new as
// what Redis has.
func (s *Service) again(ctx context.Context, wf *cache.Workflow, user string) error {
	at := keyOf(wf.Project, wf.Name) + ":v:" + user
	have, err := s.Redis.HGet(ctx, at, "c").Int64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	u, err := s.Store.User(ctx, wf.Project, user)
	if errors.Is(err, store.ErrNotFound) {
		return nil // its deletion removes it
	}
	if err != nil {
		return err
	}
	chosen, err := s.chosen(ctx, wf.Project, user)
	if err != nil {
		return err
	}
	v := judge(wf, u, chosen[wf.Name], s.Now())
	_, err = putAll(ctx, s.Redis, []state{{project: wf.Project, workflow: wf.Name, revision: wf.Revision, change: have, user: user, who: v.has()}})
	return err
}
