package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

var releaseName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$`)

// maxCommit bounds what is kept of where a release comes from.
const maxCommit = 200

func validRelease(req api.ApplyRequest) bool {
	return (req.Release == "" || releaseName.MatchString(req.Release)) && len(req.Commit) <= maxCommit
}

// recordRelease writes the release that an apply is, with all the resources
// that its set has now. A dry run only checks that it could.
//
// The same release with nothing changed is one whose first answer was lost: it
// stays as it is.
func (a *application) recordRelease(ctx context.Context, dryRun bool) error {
	if a.release == "" {
		return nil
	}
	earlier, err := a.tx.Release(ctx, a.release)
	if err == nil {
		if slices.ContainsFunc(a.result.Items, func(i api.ApplyItem) bool { return i.Action != api.ActionUnchanged }) {
			return conflict("release %s exists: %s recorded it at %s. Choose another name.",
				a.release, earlier.CreatedBy, earlier.CreatedAt.UTC().Format(time.RFC3339))
		}
		return nil
	}
	if !errors.Is(err, store.ErrNotFound) || dryRun {
		return ignoreNotFound(err)
	}
	var items []api.ReleaseItem
	named := map[schema.Ref]bool{}
	for _, i := range a.result.Items {
		item := api.ReleaseItem{Ref: i.Ref, Action: i.Action, Revision: i.Revision}
		if before := a.current[i.Ref]; before != nil {
			item.Before = before.Revision
		} else if i.Action == api.ActionDelete {
			item.Before = i.Revision - 1
		}
		items = append(items, item)
		named[i.Ref] = true
	}
	if a.set != "" {
		// What an apply without prune left alone belongs to the set, too.
		others, err := a.ofSet(ctx, func(id schema.Ref) bool { return !named[id] })
		if err != nil {
			return err
		}
		for _, r := range others {
			items = append(items, api.ReleaseItem{Ref: ref(r), Action: api.ActionUnchanged, Revision: r.Revision, Before: r.Revision})
		}
	}
	text, err := json.Marshal(items)
	if err != nil {
		return fmt.Errorf("write the release %s: %w", a.release, err)
	}
	if err := a.tx.AddRelease(ctx, store.Release{Name: a.release, Set: a.set, Commit: a.commit,
		CreatedAt: a.service.now().UTC(), CreatedBy: a.actor.Name, Items: text}); err != nil {
		return err
	}
	return a.service.audit(ctx, a.tx, a.actor, "release", "release/"+a.release,
		map[string]any{"set": a.set, "commit": a.commit, "resources": len(items)})
}

func ignoreNotFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// Releases lists a project's releases, newest first.
func (s *Service) Releases(ctx context.Context, project string, before int64, limit int) (*api.List[api.Release], error) {
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	list, err := s.store.Releases(ctx, project, before, limit+1)
	if err != nil {
		return nil, storeError("list releases", err)
	}
	page := &api.List[api.Release]{Items: []api.Release{}}
	for i, r := range list {
		if i == limit {
			page.NextCursor = strconv.FormatInt(list[i-1].ID, 10)
			break
		}
		page.Items = append(page.Items, shownRelease(r))
	}
	return page, nil
}

// Release returns a release by its name.
func (s *Service) Release(ctx context.Context, project, name string) (*api.Release, error) {
	r, err := s.store.Release(ctx, project, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("there is no release %s", name)
	}
	if err != nil {
		return nil, storeError("read release", err)
	}
	shown := shownRelease(*r)
	return &shown, nil
}

func shownRelease(r store.Release) api.Release {
	out := api.Release{Name: r.Name, Set: r.Set, Commit: r.Commit, CreatedAt: r.CreatedAt, CreatedBy: r.CreatedBy, Items: []api.ReleaseItem{}}
	// What this binary can't read of a release still has a name and a time.
	_ = json.Unmarshal(r.Items, &out.Items)
	return out
}
