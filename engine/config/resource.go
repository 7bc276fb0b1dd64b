package config

import (
	"context"
	"errors"
	"fmt"
	"time"

	"paragon/engine/cache"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// Condition is what a write expects of the resource's current revision.
type Condition struct {
	// Revision is the one that must be current; 0 does not care.
	Revision int64
	// Exists and Absent ask that there is one (If-Match: *), or none
	// (If-None-Match: *).
	Exists, Absent bool
}

// check returns a *schema.Problem (precondition) that says who was faster.
func (c Condition) check(id schema.Ref, current *store.Resource) error {
	switch {
	case c.Absent && current != nil:
		return precondition("%s exists already: revision %d by %s at %s", id, current.Revision, current.UpdatedBy, current.UpdatedAt.UTC().Format(time.RFC3339))
	case (c.Exists || c.Revision != 0) && current == nil:
		return precondition("%s does not exist any more", id)
	case c.Revision != 0 && current.Revision != c.Revision:
		return precondition("%s is at revision %d, not %d: %s changed it at %s. Read it again and repeat your change.",
			id, current.Revision, c.Revision, current.UpdatedBy, current.UpdatedAt.UTC().Format(time.RFC3339))
	}
	return nil
}

// Get returns a current resource, or one earlier revision of it (0: the
// current one). A Secret is shown without its value.
func (s *Service) Get(ctx context.Context, project string, id schema.Ref, revision int64) (*api.StoredResource, error) {
	var r *store.Resource
	var err error
	if revision == 0 {
		r, err = s.store.Resource(ctx, project, id)
	} else {
		r, err = s.store.Revision(ctx, project, id, revision)
	}
	if errors.Is(err, store.ErrNotFound) {
		if revision != 0 {
			return nil, notFound("%s has no revision %d", id, revision)
		}
		return nil, notFound("there is no %s", id)
	}
	if err != nil {
		return nil, storeError("read resource", err)
	}
	return show(*r), nil
}

// List returns the resources of a kind in name order. The limit is cut to
// 1000; 0 is 100.
func (s *Service) List(ctx context.Context, project string, kind schema.Kind, cursor string, limit int) (*api.List[api.StoredResource], error) {
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	list, err := s.store.Resources(ctx, project, kind, cursor, limit+1)
	if err != nil {
		return nil, storeError("list resources", err)
	}
	page := &api.List[api.StoredResource]{Items: make([]api.StoredResource, 0, len(list))}
	for i, r := range list {
		if i == limit {
			page.NextCursor = page.Items[i-1].Metadata.Name
			break
		}
		page.Items = append(page.Items, *show(r))
	}
	return page, nil
}

// History lists the revisions of a resource, newest first; of a deleted one
// too. The limit is cut to 1000; 0 is 100.
func (s *Service) History(ctx context.Context, project string, id schema.Ref, limit int) (*api.List[api.StoredResource], error) {
	if limit <= 0 {
		limit = defaultPage
	}
	list, err := s.store.Revisions(ctx, project, id, min(limit, maxPage))
	if err != nil {
		return nil, storeError("list revisions", err)
	}
	if len(list) == 0 {
		return nil, notFound("there is no %s, and never was", id)
	}
	page := &api.List[api.StoredResource]{Items: make([]api.StoredResource, 0, len(list))}
	for _, r := range list {
		page.Items = append(page.Items, *show(r))
	}
	return page, nil
}

// Put writes one resource from its document, which must be of that kind and
// name. It returns the resource as it is then, also when nothing changed, and
// the action that was taken.
func (s *Service) Put(ctx context.Context, actor Actor, project string, id schema.Ref, content []byte, cond Condition) (*api.StoredResource, api.Action, []schema.Diagnostic, error) {
	docs, diags := parse([]api.File{{Name: "body", Content: string(content)}})
	if hasErrors(diags) {
		return nil, "", nil, invalidDocuments(diags)
	}
	if len(docs) != 1 {
		return nil, "", nil, invalid(fmt.Sprintf("the body has %d documents, not one", len(docs)), nil)
	}
	if got := (schema.Ref{Kind: docs[0].Kind, Name: docs[0].Metadata.Name}); got != id {
		return nil, "", nil, invalid(fmt.Sprintf("the body is %s, the path says %s", got, id), nil)
	}
	docs[0].File = ""
	a := &application{service: s, actor: actor, project: project, docs: docs, warnings: diags, check: cond.check}
	// A resource that is changed by hand stays in the set that it came from,
	// so that the next prune knows it.
	a.keepSource = true
	result, err := a.run(ctx, false, false)
	if err != nil {
		return nil, "", nil, err
	}
	r := a.current[id]
	if len(a.change.Resources) > 0 {
		r = &a.change.Resources[0]
	}
	return show(*r), result.Items[0].Action, result.Warnings, nil
}

// Delete ends a resource. One that workflows use is a *schema.Problem
// (conflict) unless force is set.
func (s *Service) Delete(ctx context.Context, actor Actor, project string, id schema.Ref, cond Condition, force bool) error {
	var change cache.Change
	version, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		change = cache.Change{}
		if _, err := s.project(ctx, tx, project); err != nil {
			return err
		}
		current, err := tx.Resource(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			if err := cond.check(id, nil); err != nil {
				return err
			}
			return notFound("there is no %s", id)
		}
		if err != nil {
			return err
		}
		if err := cond.check(id, current); err != nil {
			return err
		}
		if !force {
			users, err := usersOf(ctx, tx, id)
			if err != nil {
				return err
			}
			if len(users) > 0 {
				return conflict("%s is used by %s: change it first, or force the deletion", id, namesOf(users))
			}
		}
		if err := tx.Delete(ctx, id, actor.Name, s.now().UTC()); err != nil {
			return err
		}
		gone := *current
		gone.Revision++
		gone.Deleted = true
		change.Resources = []store.Resource{gone}
		return s.audit(ctx, tx, actor, "delete", id.String(), auditedChange{Revision: gone.Revision, Source: gone.Source, Before: audited(*current)})
	})
	if err != nil {
		return storeError("delete", err)
	}
	s.publish(ctx, version, change)
	return nil
}

// Rollback writes an earlier revision again as a new one; revision 0 is the
// one before the current. It brings back a deleted resource, too. A revision
// that does not compile any more, or that uses what is gone, is a
// *schema.Problem (invalid).
func (s *Service) Rollback(ctx context.Context, actor Actor, project string, id schema.Ref, revision int64, cond Condition) (*api.StoredResource, error) {
	target, err := s.rollbackTarget(ctx, project, id, revision)
	if err != nil {
		return nil, err
	}
	if target.Deleted {
		return nil, conflict("revision %d of %s is its deletion: name another", target.Revision, id)
	}
	doc, err := documentOf(*target)
	if err != nil {
		return nil, err
	}
	var change cache.Change
	var out store.Resource
	version, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		change = cache.Change{}
		if _, err := s.project(ctx, tx, project); err != nil {
			return err
		}
		current, err := tx.Resource(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			current, err = nil, nil
		}
		if err != nil {
			return err
		}
		if err := cond.check(id, current); err != nil {
			return err
		}
		if current != nil && current.Digest == target.Digest {
			out = *current
			return nil
		}
		a := &application{service: s, actor: actor, project: project, docs: []document{doc}}
		a.reset(tx, false)
		if err := a.checkReferences(ctx, nil); err != nil {
			return err
		}
		if hasErrors(a.errs) {
			return invalidDocuments(a.errs)
		}
		out = *target
		out.UpdatedAt, out.UpdatedBy = s.now().UTC(), actor.Name
		if out.Spec, err = following(out, current); err != nil {
			return err
		}
		if out.Revision, err = tx.Put(ctx, out); err != nil {
			return err
		}
		change.Resources = []store.Resource{out}
		detail := auditedChange{Revision: out.Revision, To: target.Revision, Source: out.Source}
		if current == nil {
			detail.After = audited(out)
		} else {
			detail.Changes = fieldChanges(*current, out)
		}
		return s.audit(ctx, tx, actor, "rollback", id.String(), detail)
	})
	if err != nil {
		return nil, storeError("roll back", err)
	}
	s.publish(ctx, version, change)
	return show(out), nil
}

func (s *Service) rollbackTarget(ctx context.Context, project string, id schema.Ref, revision int64) (*store.Resource, error) {
	if revision < 0 {
		return nil, invalid("a revision is a number from 1 on; 0 is the one before the current", nil)
	}
	if revision > 0 {
		r, err := s.store.Revision(ctx, project, id, revision)
		if errors.Is(err, store.ErrNotFound) {
			return nil, notFound("%s has no revision %d", id, revision)
		}
		return r, storeError("read revision", err)
	}
	list, err := s.store.Revisions(ctx, project, id, 2)
	switch {
	case err != nil:
		return nil, storeError("read revisions", err)
	case len(list) == 0:
		return nil, notFound("there is no %s, and never was", id)
	case len(list) == 1:
		return nil, conflict("%s has no revision before the current one", id)
	}
	return &list[1], nil
}

// show is a stored resource as the API shows it.
func show(r store.Resource) *api.StoredResource {
	return &api.StoredResource{
		Resource: schema.Resource{APIVersion: schema.APIVersion, Kind: r.Kind, Metadata: r.Metadata, Spec: shownSpec(r)},
		Status: api.ResourceStatus{Revision: r.Revision, Digest: r.Digest, UpdatedAt: r.UpdatedAt, UpdatedBy: r.UpdatedBy,
			Source: r.Source, Deleted: r.Deleted},
	}
}
