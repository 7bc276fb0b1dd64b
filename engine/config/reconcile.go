package config

import (
	"context"
	"errors"
	"time"

	"paragon/engine/cache"
	"paragon/engine/store"
)

const (
	// gapTries and gapWait bound the wait for another process to publish the
	// change before this one.
	gapTries = 10
	gapWait  = 20 * time.Millisecond
	// touchEvery is how often the last use of keys goes to the store.
	touchEvery = time.Minute
	// wantedBatch bounds the revisions that are fetched for workers at once.
	wantedBatch = 500
)

// Start publishes what Redis lacks and keeps Redis at the store's version until
// Stop. A store or a Redis that is away is no error: it is tried again.
func (s *Service) Start(ctx context.Context) error {
	s.mu.Lock()
	if s.done != nil {
		s.mu.Unlock()
		return errors.New("config: started twice")
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.done = cancel, make(chan struct{})
	s.mu.Unlock()
	if err := s.Reconcile(ctx); err != nil {
		s.log.WarnContext(ctx, "configuration could not be published; trying again", "error", err)
	}
	go s.loop(run)
	return nil
}

// Stop ends the work in the background and waits for it, until ctx is done. It
// may be called twice.
func (s *Service) Stop(ctx context.Context) {
	s.mu.Lock()
	stop, done := s.stop, s.done
	s.mu.Unlock()
	if done == nil {
		return
	}
	stop()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (s *Service) loop(ctx context.Context) {
	defer close(s.done)
	reconcile, touch := time.NewTicker(s.opts.Reconcile), time.NewTicker(touchEvery)
	defer reconcile.Stop()
	defer touch.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			// What is known of last uses is worth one more write.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			s.flushUsed(last)
			cancel()
			return
		case <-touch.C:
			s.flushUsed(ctx)
			s.forgetAnswers(ctx)
			continue
		case <-reconcile.C:
		}
		err := s.Reconcile(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.log.WarnContext(ctx, "configuration could not be published; trying again", "error", err)
		}
		failing = err != nil
	}
}

// Reconcile compares Redis with the store once: it publishes everything when
// Redis is behind, empty, ahead of a store that went back, or of another
// lineage, and fetches the revisions that workers miss.
func (s *Service) Reconcile(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 6*s.opts.Timeout)
	defer cancel()
	for try := 0; ; try++ {
		// Redis first: what it holds was in the store before, so that a smaller
		// version in the store means that the store went back.
		published, ok, lineage, err := cache.Published(ctx, s.rdb)
		if err != nil {
			return err
		}
		stored, err := s.store.ConfigLineage(ctx)
		if err != nil {
			return err
		}
		current, err := s.store.ConfigVersion(ctx)
		if err != nil {
			return err
		}
		// After a failover the same number may stand for another change.
		other := ok && lineage != stored
		if ok && published == current && !other {
			break
		}
		if ok && published < current && !other && try == 0 {
			// Most likely a change is on its way; its publisher is cheaper.
			if err := sleep(ctx, gapTries*gapWait); err != nil {
				return err
			}
			continue
		}
		snap, err := s.store.LoadConfig(ctx)
		if err != nil {
			return err
		}
		if ok && (published > snap.Version || other) {
			if published > snap.Version || lineage != "" {
				s.log.WarnContext(ctx, "the configuration in Redis is that of another store, as after a failover or a restored backup: publishing the store's",
					"store", snap.Version, "redis", published)
			}
			if err := cache.Republish(ctx, s.rdb, snap); err != nil {
				return err
			}
		} else if err := cache.Publish(ctx, s.rdb, snap); err != nil {
			return err
		}
		s.log.InfoContext(ctx, "configuration published", "version", snap.Version)
		break
	}
	return s.answerWanted(ctx)
}

// answerWanted brings revisions to Redis that workers miss.
func (s *Service) answerWanted(ctx context.Context) error {
	refs, err := cache.Wanted(ctx, s.rdb, wantedBatch)
	if err != nil {
		return err
	}
	for _, want := range refs {
		r, err := s.store.Revision(ctx, want.Project, want.Ref, want.Revision)
		if errors.Is(err, store.ErrNotFound) {
			r, err = nil, nil
		}
		if err != nil {
			return err // the worker asks again
		}
		now, err := s.store.Resource(ctx, want.Project, want.Ref)
		current := err == nil && now.Revision == want.Revision
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := cache.PublishRevision(ctx, s.rdb, want, r, current); err != nil {
			return err
		}
	}
	return nil
}

// publish brings one committed change to Redis. It can't fail: what does not
// get there the reconciler publishes.
func (s *Service) publish(ctx context.Context, version int64, change cache.Change) {
	if len(change.Projects)+len(change.Resources)+len(change.Keys)+len(change.DeletedKeys) == 0 {
		return
	}
	change.Version = version
	// The change is committed: that the caller went away must not keep it from
	// the workers.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.Timeout)
	defer cancel()
	for range gapTries {
		err := cache.PublishChange(ctx, s.rdb, change)
		if err == nil {
			if s.opts.Published != nil {
				s.opts.Published(ctx, version)
			}
			return
		}
		if !errors.Is(err, cache.ErrGap) {
			s.log.WarnContext(ctx, "configuration change is stored but not published; it will be as soon as Redis is back",
				"version", version, "error", err)
			return
		}
		if sleep(ctx, gapWait) != nil {
			return
		}
	}
	snap, err := s.store.LoadConfig(ctx)
	if err == nil {
		err = cache.Publish(ctx, s.rdb, snap)
	}
	if err != nil {
		s.log.WarnContext(ctx, "configuration change is stored but not published yet", "version", version, "error", err)
	}
}

// sleep waits, or returns the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
