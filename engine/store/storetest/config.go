package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema"
)

func testProjects(t *testing.T, open opener) {
	s := migrated(t, open)
	update(t, s, "north", func(ctx context.Context, tx store.ConfigTx) {
		_, err := tx.Project(ctx)
		wantError(t, err, store.ErrNotFound)
		must(t, tx.PutProject(ctx, store.Project{Name: "north", DataKey: []byte{0, 1, 255}, Settings: []byte(`{"z":1, "a":2}`), CreatedAt: epoch}))
		equal(t, "the project", *got(tx.Project(ctx))(t), store.Project{Name: "north", DataKey: []byte{0, 1, 255}, Settings: []byte(`{"z":1, "a":2}`), CreatedAt: epoch})
	})
	update(t, s, "east", func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutProject(ctx, store.Project{Name: "east", CreatedAt: epoch}))
		if err := tx.PutProject(ctx, store.Project{Name: "north"}); err == nil {
			t.Error("an update of one project wrote another")
		}
	})
	// A replacement keeps the day of creation.
	v := update(t, s, "north", func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutProject(ctx, store.Project{Name: "north", DataKey: []byte("new"), CreatedAt: epoch.Add(time.Hour)}))
	})
	snap := got(s.LoadConfig(t.Context()))(t)
	equal(t, "all projects", snap, &store.Snapshot{Version: v, Lineage: snap.Lineage, Projects: []store.Project{
		{Name: "east", CreatedAt: epoch},
		{Name: "north", DataKey: []byte("new"), CreatedAt: epoch},
	}})
}

func testResources(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	full := resource(schema.KindWorkflow, "b", `{"text":"NUL \u0000, ünïcode 🐘","n":1.0}`)
	bare := store.Resource{Kind: schema.KindWorkflow, Metadata: schema.Metadata{Name: "a"}, UpdatedAt: epoch}
	other := resource(schema.KindSecret, "b", `{"sealed":"…"}`)
	huge := resource(schema.KindWorkflow, "c", `{"x":"`+strings.Repeat("abc\\u0000", 1<<18)+`"}`)
	put(t, s, full, bare, other, huge, resource(schema.KindWorkflow, "Z_UPPER", `1`))

	want := full
	want.Revision = 1
	ref := schema.Ref{Kind: schema.KindWorkflow, Name: "b"}
	equal(t, "a resource", *got(s.Resource(ctx, project, ref))(t), want)
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		equal(t, "a resource, in an update", *got(tx.Resource(ctx, ref))(t), want)
		if all := got(tx.Resources(ctx, schema.KindWorkflow))(t); len(all) != 4 || all[0].Metadata.Name != "Z_UPPER" || all[3].Metadata.Name != "c" {
			t.Errorf("resources in an update: %v", show(all))
		}
		_, err := tx.Resource(ctx, schema.Ref{Kind: schema.KindWorkflow, Name: "none"})
		wantError(t, err, store.ErrNotFound)
	})
	bare.Project, bare.Revision = project, 1
	equal(t, "a bare resource", *got(s.Resource(ctx, project, schema.Ref{Kind: schema.KindWorkflow, Name: "a"}))(t), bare)
	if r := got(s.Resource(ctx, project, schema.Ref{Kind: schema.KindWorkflow, Name: "c"}))(t); string(r.Spec) != string(huge.Spec) {
		t.Errorf("a huge spec came back with %d bytes of %d", len(r.Spec), len(huge.Spec))
	}

	for _, test := range []struct {
		after string
		limit int
		want  string
	}{
		{"", 0, "Z_UPPER a b c"}, {"", 2, "Z_UPPER a"}, {"a", 1, "b"}, {"c", 5, ""}, {"aa", 0, "b c"}, {"\x00\xff", 1, ""},
	} {
		var names []string
		for _, r := range got(s.Resources(ctx, project, schema.KindWorkflow, test.after, test.limit))(t) {
			names = append(names, r.Metadata.Name)
		}
		if have := strings.Join(names, " "); have != test.want {
			t.Errorf("after %q at most %d: %q; want %q", test.after, test.limit, have, test.want)
		}
	}
	for _, missing := range []schema.Ref{{Kind: schema.KindSecret, Name: "a"}, {Kind: "Nothing", Name: "b"}, {Kind: schema.KindWorkflow, Name: "\x00\xff"}} {
		_, err := s.Resource(ctx, project, missing)
		wantError(t, err, store.ErrNotFound)
	}
	_, err := s.Resource(ctx, "elsewhere", ref)
	wantError(t, err, store.ErrNotFound)
}

func testRevisions(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	ref := schema.Ref{Kind: schema.KindWorkflow, Name: "w"}
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		wantError(t, tx.Delete(ctx, ref, "ada", epoch), store.ErrNotFound)
		for n := int64(1); n <= 3; n++ {
			if rev := got(tx.Put(ctx, resource(ref.Kind, ref.Name, fmt.Sprint(n))))(t); rev != n {
				t.Fatalf("write %d made revision %d", n, rev)
			}
		}
		must(t, tx.Delete(ctx, ref, "bob", epoch.Add(time.Minute)))
		wantError(t, tx.Delete(ctx, ref, "bob", epoch), store.ErrNotFound)
	})
	_, err := s.Resource(ctx, project, ref)
	wantError(t, err, store.ErrNotFound)
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		if rev := got(tx.Put(ctx, resource(ref.Kind, ref.Name, "5")))(t); rev != 5 {
			t.Fatalf("the write after a deletion made revision %d", rev)
		}
		// The number is the store's, whatever the resource says.
		r := resource(ref.Kind, "other", "1")
		r.Revision, r.Deleted = 99, true
		if rev := got(tx.Put(ctx, r))(t); rev != 1 {
			t.Fatalf("the first write of a name made revision %d", rev)
		}
	})
	revisions := got(s.Revisions(ctx, project, ref, 0))(t)
	var story []string
	for _, r := range revisions {
		story = append(story, fmt.Sprintf("%d:%s:%t:%s", r.Revision, r.Spec, r.Deleted, r.UpdatedBy))
	}
	equal(t, "the story", strings.Join(story, " "), "5:5:false:ada 4::true:bob 3:3:false:ada 2:2:false:ada 1:1:false:ada")
	equal(t, "the newest two", got(s.Revisions(ctx, project, ref, 2))(t), revisions[:2])
	equal(t, "a revision", *got(s.Revision(ctx, project, ref, 4))(t), revisions[1])
	equal(t, "a tombstone", revisions[1], store.Resource{Project: project, Kind: ref.Kind, Metadata: schema.Metadata{Name: "w"},
		Revision: 4, Deleted: true, UpdatedAt: epoch.Add(time.Minute), UpdatedBy: "bob"})
	_, err = s.Revision(ctx, project, ref, 6)
	wantError(t, err, store.ErrNotFound)
	if none := got(s.Revisions(ctx, project, schema.Ref{Kind: ref.Kind, Name: "none"}, 0))(t); len(none) != 0 {
		t.Errorf("revisions of nothing: %v", none)
	}
}

func testKeys(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	key := store.Key{ID: "k1", Project: project, Name: "ci", Role: "developer", Scope: "runs.trigger", Hash: []byte{1, 0, 2}, CreatedAt: epoch,
		CreatedBy: "ada", ExpiresAt: epoch.Add(time.Hour), LastUsed: epoch.Add(time.Minute)}
	bare := store.Key{ID: "k2", Project: project, CreatedAt: epoch}
	keys := func() (all []store.Key) {
		update(t, s, project, func(ctx context.Context, tx store.ConfigTx) { all = got(tx.Keys(ctx))(t) })
		equal(t, "keys, read alone", got(s.KeysOf(t.Context(), project))(t), all)
		return all
	}
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.PutKey(ctx, bare))
		must(t, tx.PutKey(ctx, key))
	})
	equal(t, "the keys", keys(), []store.Key{key, bare})
	equal(t, "the keys, loaded", got(s.LoadConfig(ctx))(t).Keys, []store.Key{key, bare})

	before := got(s.ConfigVersion(ctx))(t)
	must(t, s.TouchKeys(ctx, map[string]time.Time{"k1": epoch, "k2": epoch.Add(time.Second), "unknown": epoch, "nul\x00": epoch}))
	must(t, s.TouchKeys(ctx, nil))
	if after := got(s.ConfigVersion(ctx))(t); after != before {
		t.Error("the use of a key counts as a change of configuration")
	}
	bare.LastUsed = epoch.Add(time.Second)
	equal(t, "a key is never used earlier than before", keys(), []store.Key{key, bare})

	stale := key
	stale.Role, stale.LastUsed, stale.ExpiresAt = "viewer", time.Time{}, time.Time{}
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) { must(t, tx.PutKey(ctx, stale)) })
	stale.LastUsed = key.LastUsed
	equal(t, "a replaced key keeps its last use", keys(), []store.Key{stale, bare})

	_, err := s.Update(ctx, "elsewhere", func(tx store.ConfigTx) error { return tx.PutKey(ctx, key) })
	wantError(t, err, store.ErrExists)
	_, err = s.Update(ctx, "elsewhere", func(tx store.ConfigTx) error { return tx.DeleteKey(ctx, "k1") })
	wantError(t, err, store.ErrNotFound)
	update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		must(t, tx.DeleteKey(ctx, "k1"))
		wantError(t, tx.DeleteKey(ctx, "k1"), store.ErrNotFound)
	})
	equal(t, "the keys that are left", keys(), []store.Key{bare})
}

func testAudit(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	record := store.AuditRecord{At: epoch, Actor: "ada", Action: "apply", Object: "workflow/w", Outcome: "done",
		From: "192.0.2.1:5", Detail: []byte(`{"after": {"x":"\u0000"}}`)}
	hostile := store.AuditRecord{At: epoch, Actor: "a\x00b\xff", Outcome: "refused"}
	version := update(t, s, project, func(ctx context.Context, tx store.ConfigTx) {
		for range 3 {
			must(t, tx.Audit(ctx, record))
		}
		must(t, tx.Audit(ctx, hostile))
	})
	if version != 0 {
		t.Errorf("an audit record counts as a change of configuration: version %d", version)
	}
	update(t, s, "elsewhere", func(ctx context.Context, tx store.ConfigTx) { must(t, tx.Audit(ctx, record)) })
	all := got(s.Audit(ctx, store.AuditQuery{Project: project}))(t)
	if len(all) != 4 || all[0].ID <= all[1].ID || all[1].ID <= all[2].ID {
		t.Fatalf("audit: %s", show(all))
	}
	record.Project, record.ID, record.Seq, record.Hash = project, all[1].ID, 3, all[1].Hash
	equal(t, "an audit record", all[1], record)
	equal(t, "a hostile one", all[0].Actor, "a\ufffdb\ufffd")
	equal(t, "the page after", got(s.Audit(ctx, store.AuditQuery{Project: project, Past: all[1].ID, Limit: 1}))(t), all[2:3])
	equal(t, "the first page", got(s.Audit(ctx, store.AuditQuery{Project: project, Limit: 2}))(t), all[:2])
}

func testConfigVersion(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	ref := schema.Ref{Kind: schema.KindWorkflow, Name: "w"}
	want := int64(0)
	for _, step := range []struct {
		name    string
		changes bool
		f       func(context.Context, store.ConfigTx) error
	}{
		{"nothing", false, func(context.Context, store.ConfigTx) error { return nil }},
		{"a read", false, func(ctx context.Context, tx store.ConfigTx) error { _, err := tx.Keys(ctx); return err }},
		{"a project", true, func(ctx context.Context, tx store.ConfigTx) error {
			return tx.PutProject(ctx, store.Project{Name: project, CreatedAt: epoch})
		}},
		{"two resources", true, func(ctx context.Context, tx store.ConfigTx) error {
			_, err1 := tx.Put(ctx, resource(ref.Kind, "w", `{}`))
			_, err2 := tx.Put(ctx, resource(ref.Kind, "v", `{}`))
			return errors.Join(err1, err2)
		}},
		{"a deletion", true, func(ctx context.Context, tx store.ConfigTx) error { return tx.Delete(ctx, ref, "ada", epoch) }},
		{"a deletion of nothing", false, func(ctx context.Context, tx store.ConfigTx) error {
			if err := tx.Delete(ctx, ref, "ada", epoch); !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("got %v", err)
			}
			return nil
		}},
		{"a key", true, func(ctx context.Context, tx store.ConfigTx) error {
			return tx.PutKey(ctx, store.Key{ID: "k", CreatedAt: epoch})
		}},
		{"the end of a key", true, func(ctx context.Context, tx store.ConfigTx) error { return tx.DeleteKey(ctx, "k") }},
		{"an audit record", false, func(ctx context.Context, tx store.ConfigTx) error {
			return tx.Audit(ctx, store.AuditRecord{At: epoch, Outcome: "done"})
		}},
	} {
		if step.changes {
			want++
		}
		version, err := s.Update(ctx, project, func(tx store.ConfigTx) error { return step.f(ctx, tx) })
		if err != nil || version != want {
			t.Errorf("%s: version %d, %v; want %d", step.name, version, err, want)
		}
		if v := got(s.ConfigVersion(ctx))(t); v != want {
			t.Errorf("after %s the version is %d; want %d", step.name, v, want)
		}
	}
}

func testConfigRollback(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	put(t, s, resource(schema.KindWorkflow, "kept", `1`))
	before := got(s.LoadConfig(ctx))(t)
	refusal := errors.New("refused")
	change := func(tx store.ConfigTx) {
		got(tx.Put(ctx, resource(schema.KindWorkflow, "kept", `2`)))(t)
		got(tx.Put(ctx, resource(schema.KindWorkflow, "new", `1`)))(t)
		must(t, tx.PutProject(ctx, store.Project{Name: project, CreatedAt: epoch}))
		must(t, tx.PutKey(ctx, store.Key{ID: "k", CreatedAt: epoch}))
		must(t, tx.Audit(ctx, store.AuditRecord{At: epoch, Outcome: "done"}))
		must(t, tx.Delete(ctx, schema.Ref{Kind: schema.KindWorkflow, Name: "kept"}, "ada", epoch))
	}
	_, err := s.Update(ctx, project, func(tx store.ConfigTx) error { change(tx); return refusal })
	if err != refusal {
		t.Errorf("got %v; want the very error", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic was swallowed")
			}
		}()
		s.Update(ctx, project, func(tx store.ConfigTx) error { change(tx); panic("boom") })
	}()
	equal(t, "the configuration", got(s.LoadConfig(ctx))(t), before)
	if audit := got(s.Audit(ctx, store.AuditQuery{Project: project}))(t); len(audit) != 0 {
		t.Errorf("a rolled-back update left audit records: %v", audit)
	}
	ref := schema.Ref{Kind: schema.KindWorkflow, Name: "kept"}
	if revisions := got(s.Revisions(ctx, project, ref, 0))(t); len(revisions) != 1 {
		t.Errorf("a rolled-back update left revisions: %s", show(revisions))
	}
	// A statement that fails takes the whole update with it, even when f goes
	// on as if nothing were.
	if _, err := s.Update(ctx, project, func(tx store.ConfigTx) error {
		got(tx.Put(ctx, resource(schema.KindWorkflow, "new", `1`)))(t)
		if _, err := tx.Put(canceledContext(), resource(schema.KindWorkflow, "other", `1`)); err == nil {
			t.Error("a write under a canceled context succeeded")
		}
		return nil
	}); err == nil {
		t.Error("an update with a failed statement was committed")
	}
	equal(t, "the configuration", got(s.LoadConfig(ctx))(t), before)
}

func canceledContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func testConfigSerialized(t *testing.T, open opener) {
	s := migrated(t, open)
	const writers, each = 4, 10
	ref := schema.Ref{Kind: schema.KindWorkflow, Name: "counter"}
	versions := make(chan int64, writers*each)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				// Read, add one, write: lost unless updates are serialized.
				version, err := s.Update(t.Context(), project, func(tx store.ConfigTx) error {
					n := 0
					if r, err := tx.Resource(t.Context(), ref); err == nil {
						fmt.Sscan(string(r.Spec), &n)
					} else if !errors.Is(err, store.ErrNotFound) {
						return err
					}
					_, err := tx.Put(t.Context(), resource(ref.Kind, ref.Name, fmt.Sprint(n+1)))
					return err
				})
				if err != nil {
					t.Error(err)
				}
				versions <- version
			}
		})
	}
	wg.Wait()
	close(versions)
	seen := map[int64]bool{}
	for v := range versions {
		seen[v] = true
	}
	if len(seen) != writers*each {
		t.Errorf("%d updates made %d versions", writers*each, len(seen))
	}
	r := got(s.Resource(t.Context(), project, ref))(t)
	if string(r.Spec) != fmt.Sprint(writers*each) || r.Revision != writers*each {
		t.Errorf("the counter is at %s, revision %d; want %d", r.Spec, r.Revision, writers*each)
	}
}

func testLoadConfigConsistent(t *testing.T, open opener) {
	s := migrated(t, open)
	const changes = 60
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for n := 1; n <= changes; n++ {
			if _, err := s.Update(t.Context(), project, func(tx store.ConfigTx) error {
				_, err1 := tx.Put(t.Context(), resource(schema.KindWorkflow, "a", fmt.Sprint(n)))
				_, err2 := tx.Put(t.Context(), resource(schema.KindSecret, "b", fmt.Sprint(n)))
				return errors.Join(err1, err2)
			}); err != nil {
				t.Error(err)
			}
		}
	})
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		snap := got(s.LoadConfig(t.Context()))(t)
		for _, r := range snap.Resources {
			if string(r.Spec) != fmt.Sprint(snap.Version) {
				t.Fatalf("version %d has %s at %s", snap.Version, r.Metadata.Name, r.Spec)
			}
		}
	}
	wg.Wait()
}
