package config

import (
	"context"
	"errors"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// CompareRevisions tells what differs from one revision of a resource to
// another; 0 is the current one.
func (s *Service) CompareRevisions(ctx context.Context, project string, id schema.Ref, from, to int64) (*api.Comparison, error) {
	before, err := s.revision(ctx, project, id, from)
	if err != nil {
		return nil, err
	}
	after, err := s.revision(ctx, project, id, to)
	if err != nil {
		return nil, err
	}
	return compare([]pair{{before, after}}), nil
}

func (s *Service) revision(ctx context.Context, project string, id schema.Ref, number int64) (r *store.Resource, err error) {
	if number == 0 {
		r, err = s.store.Resource(ctx, project, id)
	} else {
		r, err = s.store.Revision(ctx, project, id, number)
	}
	if errors.Is(err, store.ErrNotFound) {
		if number != 0 {
			return nil, notFound("%s has no revision %d", id, number)
		}
		return nil, notFound("there is no %s", id)
	}
	return r, storeError("read resource", err)
}

// CompareReleases tells what differs from one release to another, or to what
// is current of its resources when to is empty.
func (s *Service) CompareReleases(ctx context.Context, project, name, to string) (*api.Comparison, error) {
	first, err := s.Release(ctx, project, name)
	if err != nil {
		return nil, err
	}
	before, err := s.revisionsOf(ctx, project, first)
	if err != nil {
		return nil, err
	}
	var after []store.Resource
	if to != "" {
		second, err := s.Release(ctx, project, to)
		if err != nil {
			return nil, err
		}
		if after, err = s.revisionsOf(ctx, project, second); err != nil {
			return nil, err
		}
	} else if after, err = s.currentOf(ctx, project, first.Set, before); err != nil {
		return nil, err
	}
	var pairs []pair
	at := map[schema.Ref]int{}
	for i := range before {
		at[ref(before[i])] = len(pairs)
		pairs = append(pairs, pair{before: &before[i]})
	}
	for i := range after {
		if n, ok := at[ref(after[i])]; ok {
			pairs[n].after = &after[i]
		} else {
			pairs = append(pairs, pair{after: &after[i]})
		}
	}
	return compare(pairs), nil
}

// currentOf lists what is current of a set, or of the given resources when
// there is no set.
func (s *Service) currentOf(ctx context.Context, project, set string, of []store.Resource) ([]store.Resource, error) {
	known := map[schema.Ref]bool{}
	for _, r := range of {
		known[ref(r)] = true
	}
	var found []store.Resource
	for _, kind := range schema.Kinds {
		list, err := s.store.Resources(ctx, project, kind, "", 0)
		if err != nil {
			return nil, storeError("list resources", err)
		}
		for _, r := range list {
			if known[ref(r)] || set != "" && setOf(r.Source) == set {
				found = append(found, r)
			}
		}
	}
	return found, nil
}

// pair is one resource on both sides of a comparison, nil where it is not.
type pair struct{ before, after *store.Resource }

func compare(pairs []pair) *api.Comparison {
	out := &api.Comparison{Items: []api.ApplyItem{}}
	for _, p := range pairs {
		item := api.ApplyItem{}
		switch {
		case p.before == nil || p.before.Deleted:
			if p.after == nil || p.after.Deleted {
				continue
			}
			item = api.ApplyItem{Ref: ref(*p.after), Action: api.ActionCreate, Revision: p.after.Revision}
		case p.after == nil || p.after.Deleted:
			item = api.ApplyItem{Ref: ref(*p.before), Action: api.ActionDelete, Revision: p.before.Revision}
		default:
			item = api.ApplyItem{Ref: ref(*p.before), Action: api.ActionUpdate, Revision: p.after.Revision, Changes: fieldChanges(*p.before, *p.after)}
			if len(item.Changes) == 0 {
				continue
			}
		}
		out.Changed = true
		out.Items = append(out.Items, item)
	}
	return out
}
