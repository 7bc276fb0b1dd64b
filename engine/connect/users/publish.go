package users

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/store"
)

const (
	// pageSize is how many rows are read, or written, at once.
	pageSize = 500
	// reconcileTimeout bounds one round.
	reconcileTimeout = time.Minute
)

// Reconcile makes one round: it fills the slots that Redis has lost, publishes
// the changes that did not get there, and writes what workers renewed to the
// store.
func (s *Service) Reconcile(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()
	return errors.Join(s.fill(ctx), s.publishRest(ctx), s.keepRenewed(ctx))
}

// glance does of Reconcile what a second needs: it publishes the changes that did
// not get there, and looks at one slot, another each time. A Redis that came back
// empty has lost this one, too, and what a slot has for the store was announced
// and is looked for here only should the word have been lost.
func (s *Service) glance(ctx context.Context, shard int) error {
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()
	var filled, renewed *redis.IntCmd
	_, err := s.book.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		filled, renewed = p.Exists(ctx, filledKey(shard)), p.XLen(ctx, renewedKey(shard))
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for users in Redis: %w", err)
	}
	if filled.Val() == 0 {
		err = s.fill(ctx)
	}
	err = errors.Join(err, s.publishRest(ctx))
	if renewed.Val() > 0 {
		err = errors.Join(err, s.keepRenewed(ctx))
	}
	return err
}

// publishRest publishes the changes of processes that did not come to it.
func (s *Service) publishRest(ctx context.Context) error {
	for {
		changes, err := s.store.UserChanges(ctx, pageSize)
		if err != nil || len(changes) == 0 {
			return err
		}
		if err := s.publish(ctx, changes); err != nil {
			return err
		}
		if len(changes) < pageSize {
			return nil
		}
	}
}

// publish brings changes to Redis, tells who wants to know, and forgets them.
func (s *Service) publish(ctx context.Context, changes []store.UserChange) error {
	if len(changes) == 0 {
		return nil
	}
	settled := make([]int64, 0, len(changes))
	var failed error
	for _, ch := range changes {
		err := s.publishOne(ctx, ch)
		if err == nil && ch.Kind == store.ChangedUser && s.opts.Changed != nil {
			err = s.opts.Changed(ctx, ch)
		}
		if err != nil {
			failed = err
			break // in order: what comes later may build on it
		}
		settled = append(settled, ch.ID)
	}
	return errors.Join(failed, s.store.SettleUserChanges(ctx, settled))
}

// publishOne writes what the store has now of what a change was about. When Redis
// has something newer, the row is read again; is it still the same, then the
// store went back, as after a restored backup, and what it has counts.
func (s *Service) publishOne(ctx context.Context, ch store.UserChange) error {
	over := int64(-1)
	last := hash{generation: -1}
	for range 5 {
		key, now, err := s.stored(ctx, ch)
		if err != nil {
			return err
		}
		if over >= 0 && now != last {
			over = -1
		}
		there, err := putHash(ctx, s.book.rdb, key, now, over)
		if err != nil {
			return err
		}
		if there <= now.generation {
			s.book.forget(key) // so that this process reads what it wrote
			return nil
		}
		over, last = there, now
	}
	return fmt.Errorf("publish a change of %s: others change it all the time", ch.Kind)
}

// stored is what the store has of what a change was about, as Redis holds it.
func (s *Service) stored(ctx context.Context, ch store.UserChange) (key string, h hash, err error) {
	gone := hash{generation: ch.ID}
	switch ch.Kind {
	case store.ChangedUser:
		u, err := s.store.User(ctx, ch.Project, ch.User)
		if errors.Is(err, store.ErrNotFound) {
			return userKey(ch.Project, ch.User), gone, nil
		}
		if err != nil {
			return "", hash{}, err
		}
		return userKey(ch.Project, ch.User), userHash(u), nil
	case store.ChangedKeys:
		keys, err := s.store.UserKeys(ctx, ch.Project)
		return keysKey(ch.Project), keysHash(ch.ID, keys), err
	}
	c, err := s.store.Credential(ctx, ch.CredentialID)
	if errors.Is(err, store.ErrNotFound) {
		return credentialKey(ch.CredentialID), gone, nil
	}
	if err != nil {
		return "", hash{}, err
	}
	return credentialKey(ch.CredentialID), credentialHash(c), nil
}

// fill brings everything to the slots that Redis has lost, or never had.
func (s *Service) fill(ctx context.Context) error {
	var marks [shards]*redis.IntCmd
	_, err := s.book.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range marks {
			marks[i] = p.Exists(ctx, filledKey(i))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for users in Redis: %w", err)
	}
	empty := map[int]bool{}
	for i, m := range marks {
		if m.Val() == 0 {
			empty[i] = true
		}
	}
	if len(empty) == 0 {
		return nil
	}
	all, err := s.store.LoadConfig(ctx) // for the projects; this is rare
	if err != nil {
		return err
	}
	n := 0
	for _, project := range all.Projects {
		filled, err := s.fillProject(ctx, project.Name, empty)
		if n += filled; err != nil {
			return fmt.Errorf("bring the users of project %s to Redis: %w", project.Name, err)
		}
	}
	_, err = s.book.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range empty {
			p.Set(ctx, filledKey(i), "1", 0)
		}
		return nil
	})
	if err == nil && n > 0 {
		s.log.InfoContext(ctx, "users and credentials brought to Redis", "entries", n)
	}
	return err
}

// fillProject brings a project's users, keys and credentials to the slots.
func (s *Service) fillProject(ctx context.Context, project string, slots map[int]bool) (n int, err error) {
	put := func(key string, shard int, h hash) error {
		if !slots[shard] || h.body == "" {
			return nil
		}
		n++
		_, err := putHash(ctx, s.book.rdb, key, h, -1)
		return err
	}
	keys, err := s.store.UserKeys(ctx, project)
	if err == nil {
		err = put(keysKey(project), shardOf(project, ""), keysHash(0, keys))
	}
	for after := ""; err == nil; {
		var page []store.User
		page, err = s.store.Users(ctx, project, after, pageSize)
		for i := 0; err == nil && i < len(page); i++ {
			u := &page[i]
			err = put(userKey(project, u.ID), shardOf(project, u.ID), userHash(u))
			after = u.ID
		}
		if len(page) < pageSize {
			break
		}
	}
	for after := (Place{Project: project}); err == nil; {
		var page []store.Credential
		page, err = s.store.AllCredentials(ctx, after, pageSize)
		for i := 0; err == nil && i < len(page); i++ {
			c := &page[i]
			err = put(credentialKey(c.CredentialID), shardOf(project, c.User), credentialHash(c))
			after = c.CredentialID
		}
		if len(page) < pageSize {
			break
		}
	}
	return n, err
}
