package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"paragon/engine/cache"
	"paragon/engine/store"
	"paragon/schema"
)

// RotateMasterKey seals the data keys of all projects again under the primary
// master key, after which the older ones can be taken away. It returns how
// many changed.
func (s *Service) RotateMasterKey(ctx context.Context, actor Actor) (int, error) {
	snap, err := s.store.LoadConfig(ctx)
	if err != nil {
		return 0, storeError("read projects", err)
	}
	n := 0
	for _, p := range snap.Projects {
		var change cache.Change
		version, err := s.store.Update(ctx, p.Name, func(tx store.ConfigTx) error {
			change = cache.Change{}
			now, err := tx.Project(ctx)
			if err != nil {
				return err
			}
			wrapped, changed, err := s.keys.Rewrap(ctx, now.Name, now.DataKey)
			if err != nil || !changed {
				return err
			}
			now.DataKey = wrapped
			if err := tx.PutProject(ctx, *now); err != nil {
				return err
			}
			change.Projects = []store.Project{*now}
			return s.audit(ctx, tx, actor, "rotate-master-key", "project/"+now.Name, nil)
		})
		if err != nil {
			return n, storeError("rotate master key", err)
		}
		n += len(change.Projects)
		s.publish(ctx, version, change)
	}
	return n, nil
}

// RotateDataKey gives a project a new data key and seals its secrets again
// under it, as new revisions. It returns how many. What was sealed before,
// checkpoints of runs and earlier revisions, still opens with the keys of
// before.
//
// The new key is published first and seals only after a settling time, so that
// no worker meets what it can't open yet. An interrupted rotation is done again
// from its start.
func (s *Service) RotateDataKey(ctx context.Context, actor Actor, project string, settle time.Duration) (int, error) {
	const what = "rotate data key"
	if err := s.changeDataKey(ctx, project, "add-data-key", actor, s.keys.AddDataKey, nil); err != nil {
		return 0, storeError(what, err)
	}
	if err := sleep(ctx, settle); err != nil {
		return 0, err
	}
	var n int
	err := s.changeDataKey(ctx, project, "rotate-data-key", actor, s.keys.PromoteDataKey,
		func(tx store.ConfigTx, now *store.Project, change *cache.Change) (err error) {
			n, err = s.sealAgain(ctx, tx, actor, now, change)
			return err
		})
	return n, storeError(what, err)
}

// changeDataKey replaces a project's wrapped data key in one transaction, with
// what else belongs into it.
func (s *Service) changeDataKey(ctx context.Context, project, action string, actor Actor,
	by func(ctx context.Context, project string, wrapped []byte) ([]byte, error),
	also func(store.ConfigTx, *store.Project, *cache.Change) error) error {
	var change cache.Change
	version, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		change = cache.Change{}
		p, err := tx.Project(ctx)
		if errors.Is(err, store.ErrNotFound) {
			return notFound("project %s does not exist", project)
		}
		if err != nil {
			return err
		}
		if p.DataKey, err = by(ctx, project, p.DataKey); err != nil {
			return err
		}
		if err := tx.PutProject(ctx, *p); err != nil {
			return err
		}
		change.Projects = []store.Project{*p}
		if also != nil {
			if err := also(tx, p, &change); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, actor, action, "project/"+project, nil)
	})
	if err != nil {
		return err
	}
	s.publish(ctx, version, change)
	return nil
}

// sealAgain seals a project's secrets again under its current data key.
func (s *Service) sealAgain(ctx context.Context, tx store.ConfigTx, actor Actor, p *store.Project, change *cache.Change) (int, error) {
	key, err := s.dataKey(ctx, p)
	if err != nil {
		return 0, err
	}
	secrets, err := tx.Resources(ctx, schema.KindSecret)
	if err != nil {
		return 0, err
	}
	for _, r := range secrets {
		name := r.Metadata.Name
		var stored storedSecret
		if err := json.Unmarshal(r.Spec, &stored); err != nil {
			return 0, fmt.Errorf("the stored secret %s can't be read", name)
		}
		value, err := key.Open(stored.Sealed, cache.SecretPlace(name)...)
		if err != nil {
			return 0, fmt.Errorf("secret %s: %w", name, err)
		}
		if stored.Sealed, err = key.Seal(value, cache.SecretPlace(name)...); err != nil {
			return 0, fmt.Errorf("secret %s: %w", name, err)
		}
		stored.Digest = key.Digest(value, cache.SecretPlace(name)...)
		if r.Spec, err = json.Marshal(stored); err != nil {
			return 0, fmt.Errorf("secret %s can't be stored", name)
		}
		r.Digest = digestOf(r.Metadata, shownSecretSpec(stored, 0))
		r.UpdatedAt, r.UpdatedBy = s.now().UTC(), actor.Name
		if r.Revision, err = tx.Put(ctx, r); err != nil {
			return 0, err
		}
		change.Resources = append(change.Resources, r)
	}
	return len(secrets), nil
}
