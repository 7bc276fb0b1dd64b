package storetest

import (
	"context"
	"testing"

	"paragon/engine/store"
)

func testReleases(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	release := store.Release{Name: "v1", Set: "shop", Commit: "abc", CreatedAt: epoch, CreatedBy: "ada", Items: []byte(`[{"x":"\u0000"}]`)}
	add := func(project, name string) (version int64) {
		return update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
			r := release
			r.Name = name
			must(t, tx.AddRelease(ctx, r))
			got(tx.Release(ctx, name))(t)
		})
	}
	for _, name := range []string{"v1", "v2", "v3"} {
		if version := add(project, name); version != 0 {
			t.Errorf("a release counts as a change of configuration: version %d", version)
		}
	}
	add("elsewhere", "v1")

	all := got(s.Releases(ctx, project, 0, 0))(t)
	if len(all) != 3 || all[0].Name != "v3" || all[1].Name != "v2" || all[2].Name != "v1" {
		t.Fatalf("releases: %s", show(all))
	}
	release.Project, release.ID = project, all[2].ID
	equal(t, "a release", all[2], release)
	equal(t, "the same by name", *got(s.Release(ctx, project, "v1"))(t), release)
	equal(t, "the page after", got(s.Releases(ctx, project, all[0].ID, 1))(t), all[1:2])
	_, err := s.Release(ctx, project, "v9")
	wantError(t, err, store.ErrNotFound)
	_, err = s.Update(ctx, project, func(tx store.ConfigTx) error { return tx.AddRelease(ctx, store.Release{Name: "v1", CreatedAt: epoch}) })
	wantError(t, err, store.ErrExists)
	equal(t, "the first one stays", *got(s.Release(ctx, project, "v1"))(t), release)
}
