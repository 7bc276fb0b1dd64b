package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/engine/store"
	"paragon/schema"
)

// configModel is what the configuration should be: plain maps.
type configModel struct {
	version   int64
	projects  map[string]store.Project
	resources map[string]store.Resource   // current, by project/kind/name
	revisions map[string][]store.Resource // oldest first
	keys      map[string]store.Key
	audits    map[string]int
}

func (m *configModel) clone() *configModel {
	c := *m
	c.projects, c.resources, c.keys = maps.Clone(m.projects), maps.Clone(m.resources), maps.Clone(m.keys)
	c.revisions, c.audits = map[string][]store.Resource{}, maps.Clone(m.audits)
	for k, v := range m.revisions {
		c.revisions[k] = slices.Clone(v)
	}
	return &c
}

func place(project string, ref schema.Ref) string { return project + "/" + ref.String() }

// testConfigModel runs random updates against the store and the model.
func testConfigModel(t *testing.T, open opener) {
	s := migrated(t, open)
	var round int
	rapid.Check(t, func(rt *rapid.T) {
		// Each check has projects of its own on one store; the version goes on.
		round++
		projects := []string{fmt.Sprintf("p%d", round), fmt.Sprintf("q%d", round)}
		m := &configModel{version: got(s.ConfigVersion(t.Context()))(rt), projects: map[string]store.Project{},
			resources: map[string]store.Resource{}, revisions: map[string][]store.Resource{}, keys: map[string]store.Key{}, audits: map[string]int{}}
		for range rapid.IntRange(1, 8).Draw(rt, "updates") {
			m = modelUpdate(t.Context(), rt, s, m, rapid.SampledFrom(projects).Draw(rt, "project"))
		}
		for _, p := range projects {
			compareConfig(t.Context(), rt, s, m, p)
		}
	})
}

var errRollback = errors.New("roll back")

// modelUpdate makes one random update and returns the model after it.
func modelUpdate(ctx context.Context, t *rapid.T, s store.Store, m *configModel, project string) *configModel {
	next := m.clone()
	fail := rapid.IntRange(0, 4).Draw(t, "fail") == 0
	wrote := false
	version, err := s.Update(ctx, project, func(tx store.ConfigTx) error {
		for range rapid.IntRange(0, 5).Draw(t, "operations") {
			if modelOperation(ctx, t, tx, next, project) {
				wrote = true
			}
		}
		if fail {
			return errRollback
		}
		return nil
	})
	if fail {
		if err != errRollback {
			t.Fatalf("got %v", err)
		}
		return m
	}
	must(t, err)
	if wrote {
		next.version++
	}
	if version != next.version {
		t.Fatalf("the update made version %d; want %d", version, next.version)
	}
	return next
}

// modelOperation makes one random change in both, and tells whether it counts.
func modelOperation(ctx context.Context, t *rapid.T, tx store.ConfigTx, m *configModel, project string) (wrote bool) {
	ref := schema.Ref{Kind: rapid.SampledFrom(schema.Kinds).Draw(t, "kind"), Name: rapid.SampledFrom([]string{"a", "b", "B"}).Draw(t, "name")}
	at := epoch.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "at")) * time.Microsecond)
	key := place(project, ref)
	switch rapid.SampledFrom([]string{"put", "put", "delete", "read", "project", "key", "deleteKey", "audit"}).Draw(t, "operation") {
	case "put":
		r := store.Resource{Project: project, Kind: ref.Kind, Metadata: schema.Metadata{Name: ref.Name}, UpdatedAt: at,
			Spec: []byte(fmt.Sprintf("%q", rapid.StringMatching(`[a-zäß ]{0,8}`).Draw(t, "spec"))), Digest: rapid.StringN(0, 5, 20).Filter(printable).Draw(t, "digest")}
		r.Revision = int64(len(m.revisions[key])) + 1
		if rev := got(tx.Put(ctx, r))(t); rev != r.Revision {
			t.Fatalf("put made revision %d; want %d", rev, r.Revision)
		}
		m.resources[key], m.revisions[key] = r, append(m.revisions[key], r)
		return true
	case "delete":
		err := tx.Delete(ctx, ref, "someone", at)
		if _, ok := m.resources[key]; !ok {
			wantError(t, err, store.ErrNotFound)
			return false
		}
		must(t, err)
		delete(m.resources, key)
		m.revisions[key] = append(m.revisions[key], store.Resource{Project: project, Kind: ref.Kind, Metadata: schema.Metadata{Name: ref.Name},
			Revision: int64(len(m.revisions[key])) + 1, Deleted: true, UpdatedAt: at, UpdatedBy: "someone"})
		return true
	case "read":
		r, err := tx.Resource(ctx, ref)
		if want, ok := m.resources[key]; ok {
			must(t, err)
			equal(t, "a resource in the update", *r, want)
		} else {
			wantError(t, err, store.ErrNotFound)
		}
	case "project":
		p := store.Project{Name: project, DataKey: rapid.SliceOfN(rapid.Byte(), 1, 5).Draw(t, "dataKey"), CreatedAt: at}
		must(t, tx.PutProject(ctx, p))
		if old, ok := m.projects[project]; ok {
			p.CreatedAt = old.CreatedAt
		}
		m.projects[project] = p
		return true
	case "key":
		k := store.Key{ID: project + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "key"), Project: project, Hash: []byte{1},
			Role: rapid.SampledFrom([]string{"viewer", "owner"}).Draw(t, "role"), CreatedAt: at}
		must(t, tx.PutKey(ctx, k))
		m.keys[k.ID] = k
		return true
	case "deleteKey":
		id := project + rapid.SampledFrom([]string{"1", "2"}).Draw(t, "key")
		err := tx.DeleteKey(ctx, id)
		if _, ok := m.keys[id]; !ok {
			wantError(t, err, store.ErrNotFound)
			return false
		}
		must(t, err)
		delete(m.keys, id)
		return true
	case "audit":
		must(t, tx.Audit(ctx, store.AuditRecord{At: at, Outcome: "done"}))
		m.audits[project]++
	}
	return false
}

func printable(s string) bool {
	for _, r := range s {
		if r == 0 || r == '\ufffd' {
			return false
		}
	}
	return true
}

// compareConfig compares all that the store has of a project with the model.
func compareConfig(ctx context.Context, t *rapid.T, s store.Store, m *configModel, project string) {
	snap := got(s.LoadConfig(ctx))(t)
	if snap.Version != m.version {
		t.Fatalf("the store is at version %d; want %d", snap.Version, m.version)
	}
	resources := map[string]store.Resource{}
	for _, r := range snap.Resources {
		if r.Project == project {
			resources[place(project, schema.Ref{Kind: r.Kind, Name: r.Metadata.Name})] = r
		}
	}
	want := maps.Clone(m.resources)
	maps.DeleteFunc(want, func(_ string, r store.Resource) bool { return r.Project != project })
	equal(t, "resources", resources, want)
	for _, kind := range schema.Kinds {
		for _, name := range []string{"a", "b", "B"} {
			ref := schema.Ref{Kind: kind, Name: name}
			have := got(s.Revisions(ctx, project, ref, 0))(t)
			slices.Reverse(have)
			if wantRevisions := m.revisions[place(project, ref)]; len(have) != len(wantRevisions) || len(have) > 0 {
				equal(t, "revisions of "+ref.String(), have, wantRevisions)
			}
		}
	}
	keys := map[string]store.Key{}
	for _, k := range snap.Keys {
		if k.Project == project {
			keys[k.ID] = k
		}
	}
	wantKeys := maps.Clone(m.keys)
	maps.DeleteFunc(wantKeys, func(_ string, k store.Key) bool { return k.Project != project })
	equal(t, "keys", keys, wantKeys)
	if audit := got(s.Audit(ctx, store.AuditQuery{Project: project}))(t); len(audit) != m.audits[project] {
		t.Fatalf("%d audit records; want %d", len(audit), m.audits[project])
	}
	for _, p := range snap.Projects {
		if p.Name == project {
			equal(t, "the project", p, m.projects[project])
		}
	}
}
