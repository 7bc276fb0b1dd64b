package config

import (
	"context"
	"errors"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// RollbackRelease brings the resources of a release back to the revisions that
// it had, all or none, as new revisions; what its set holds beyond them is
// deleted. Secrets are left at their current value, unless one is gone: a
// value that was rotated since must not come back with an old workflow.
func (s *Service) RollbackRelease(ctx context.Context, actor Actor, project, name string, dryRun bool) (*api.ApplyResult, error) {
	const what = "roll back release"
	release, err := s.Release(ctx, project, name)
	if err != nil {
		return nil, err
	}
	// Revisions never change: they are read before the transaction.
	targets, err := s.revisionsOf(ctx, project, release)
	if err != nil {
		return nil, err
	}
	a := &application{service: s, actor: actor, project: project, set: release.Set}
	for _, r := range targets {
		doc, err := documentOf(r)
		if err != nil {
			return nil, err
		}
		a.docs = append(a.docs, doc)
	}
	version, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		a.reset(tx, dryRun)
		return a.restore(ctx, name, targets, dryRun)
	})
	if err != nil {
		return nil, storeError(what, err)
	}
	if !dryRun {
		s.publish(ctx, version, a.change)
	}
	return a.result, nil
}

// revisionsOf reads the resources that a release has, as it has them.
func (s *Service) revisionsOf(ctx context.Context, project string, release *api.Release) ([]store.Resource, error) {
	var found []store.Resource
	for _, item := range release.Items {
		if item.Action == api.ActionDelete {
			continue
		}
		r, err := s.store.Revision(ctx, project, item.Ref, item.Revision)
		if errors.Is(err, store.ErrNotFound) {
			return nil, conflict("release %s has revision %d of %s, which is not in the store any more", release.Name, item.Revision, item.Ref)
		}
		if err != nil {
			return nil, storeError("read the revisions of a release", err)
		}
		found = append(found, *r)
	}
	return found, nil
}

// restore brings resources back to earlier revisions in the transaction.
func (a *application) restore(ctx context.Context, release string, targets []store.Resource, dryRun bool) error {
	if _, err := a.service.project(ctx, a.tx, a.project); err != nil {
		return err
	}
	var writes []write
	kept := map[schema.Ref]bool{}
	for _, target := range targets {
		w, err := a.planRestore(ctx, target)
		if err != nil {
			return err
		}
		writes = append(writes, w)
		kept[w.item.Ref] = true
	}
	var gone []store.Resource
	if a.set != "" {
		var err error
		if gone, err = a.ofSet(ctx, func(id schema.Ref) bool { return !kept[id] && id.Kind != schema.KindSecret }); err != nil {
			return err
		}
	}
	if err := a.carryOut(ctx, writes, gone, dryRun); err != nil || dryRun || !a.result.Changed {
		return err
	}
	return a.service.audit(ctx, a.tx, a.actor, "rollback", "release/"+release, map[string]any{"resources": len(a.result.Items)})
}

// planRestore decides what going back to an earlier revision means for one
// resource.
func (a *application) planRestore(ctx context.Context, target store.Resource) (write, error) {
	current, err := a.lookup(ctx, ref(target))
	if err != nil {
		return write{}, err
	}
	w := write{item: api.ApplyItem{Ref: ref(target), Action: api.ActionCreate}, resource: target}
	w.resource.UpdatedAt, w.resource.UpdatedBy = a.service.now().UTC(), a.actor.Name
	if current == nil {
		return w, nil
	}
	w.item.Revision = current.Revision
	if target.Kind == schema.KindSecret || current.Digest == target.Digest {
		w.item.Action = api.ActionUnchanged
		return w, nil
	}
	w.item.Action, w.item.Changes = api.ActionUpdate, fieldChanges(*current, w.resource)
	return w, nil
}
