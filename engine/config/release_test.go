package config

import (
	"context"
	"strings"
	"testing"

	"paragon/schema"
	"paragon/schema/api"
)

func (r *rig) release(name, set string, opts ApplyOptions, contents ...string) (*api.ApplyResult, error) {
	req := api.ApplyRequest{Set: set, Release: name, Commit: "c0ffee"}
	for i, c := range contents {
		req.Files = append(req.Files, api.File{Name: string(rune('a'+i)) + ".yaml", Content: c})
	}
	return r.svc.Apply(context.Background(), alice, "default", req, opts)
}

func (r *rig) mustRelease(name, set string, opts ApplyOptions, contents ...string) {
	r.t.Helper()
	if _, err := r.release(name, set, opts, contents...); err != nil {
		r.t.Fatal(explain(err))
	}
}

func described(items []api.ReleaseItem) string {
	var out []string
	for _, i := range items {
		out = append(out, string(i.Action)+" "+i.Ref.String())
	}
	return strings.Join(out, ", ")
}

func TestRelease(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	prune := ApplyOptions{Prune: true}
	r.mustRelease("v1", "shop", prune, workflow("one", "a"), workflow("two", "a"), secretDoc("TOKEN", "first-value"))
	r.mustRelease("v2", "shop", prune, workflow("one", "b"), workflow("three", "a"), secretDoc("TOKEN", "second-value"))

	page, err := r.svc.Releases(ctx, "default", 0, 1)
	if err != nil || len(page.Items) != 1 || page.Items[0].Name != "v2" || page.NextCursor == "" {
		t.Fatalf("the first page: %+v, %v", page, err)
	}
	v2 := page.Items[0]
	if v2.CreatedBy != "alice" || v2.Commit != "c0ffee" || v2.Set != "shop" || !v2.CreatedAt.Equal(r.now) ||
		described(v2.Items) != "update workflow/one, create workflow/three, update secret/TOKEN, delete workflow/two" {
		t.Errorf("v2: %+v", v2)
	}
	if i := v2.Items[0]; i.Revision != 2 || i.Before != 1 {
		t.Errorf("what v2 changed: %+v", i)
	}

	found, err := r.svc.CompareReleases(ctx, "default", "v1", "v2")
	if err != nil || actions(&api.ApplyResult{Items: found.Items}) != "update workflow/one, delete workflow/two, update secret/TOKEN, create workflow/three" {
		t.Errorf("v1 to v2: %+v, %v", found, err)
	}
	if c := found.Items[0].Changes; len(c) != 1 || string(c[0].Before) != `"a"` || string(c[0].After) != `"b"` {
		t.Errorf("what changed in one: %+v", c)
	}
	if found, err := r.svc.CompareReleases(ctx, "default", "v2", ""); err != nil || found.Changed {
		t.Errorf("v2 to what is current: %+v, %v", found, err)
	}

	// A dry run of going back plans it, and changes nothing.
	plan, err := r.svc.RollbackRelease(ctx, alice, "default", "v1", true)
	const back = "update workflow/one, create workflow/two, unchanged secret/TOKEN, delete workflow/three"
	if err != nil || actions(plan) != back {
		t.Errorf("the plan: %+v, %v", plan, err)
	}
	if found, _ := r.svc.CompareReleases(ctx, "default", "v2", ""); found.Changed {
		t.Error("a dry run went back")
	}
	done, err := r.svc.RollbackRelease(ctx, alice, "default", "v1", false)
	if err != nil || actions(done) != back {
		t.Fatalf("the rollback: %+v, %v", done, err)
	}
	p := r.cache()
	if p.Workflow("one").Revision != 3 || p.Workflow("two") == nil || p.Workflow("three") != nil {
		t.Error("what is published is not what v1 had")
	}
	if v, _ := p.Secret("TOKEN"); v != "second-value" {
		t.Errorf("the secret went back to %q", v)
	}
	if again, err := r.svc.RollbackRelease(ctx, alice, "default", "v1", false); err != nil || again.Changed {
		t.Errorf("again: %+v, %v", again, err)
	}
	// And forward again.
	if done, err := r.svc.RollbackRelease(ctx, alice, "default", "v2", false); err != nil ||
		actions(done) != "update workflow/one, create workflow/three, unchanged secret/TOKEN, delete workflow/two" {
		t.Errorf("forward: %+v, %v", done, err)
	}
}

func TestReleaseNames(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	for _, name := range []string{"-x", "a b", "v1/2", strings.Repeat("x", 101)} {
		_, err := r.release(name, "", ApplyOptions{}, workflow("one", "a"))
		wantProblem(t, err, schema.ProblemInvalid, "can't be the name of a release")
	}
	_, err := r.svc.Release(ctx, "default", "v9")
	wantProblem(t, err, schema.ProblemNotFound, "v9")
	_, err = r.svc.RollbackRelease(ctx, alice, "default", "v9", false)
	wantProblem(t, err, schema.ProblemNotFound, "v9")

	r.mustRelease("v1", "", ApplyOptions{DryRun: true}, workflow("one", "a"))
	if _, err := r.svc.Release(ctx, "default", "v1"); err == nil {
		t.Error("a dry run recorded a release")
	}
	r.mustRelease("v1", "", ApplyOptions{}, workflow("one", "a"))
	// The first answer was lost, and the request comes again.
	r.mustRelease("v1", "", ApplyOptions{}, workflow("one", "a"))
	_, err = r.release("v1", "", ApplyOptions{}, workflow("one", "b"))
	wantProblem(t, err, schema.ProblemConflict, "alice recorded it at 2026-05-01T12:00:00Z")
	if res, err := r.svc.Get(ctx, "default", one, 0); err != nil || res.Status.Revision != 1 {
		t.Errorf("the refused release wrote: %+v, %v", res, err)
	}
	_, err = r.release("v1", "", ApplyOptions{DryRun: true}, workflow("one", "b"))
	wantProblem(t, err, schema.ProblemConflict, "Choose another name")
	// A release that changes nothing, as when the same files are promoted again,
	// is one.
	r.mustRelease("v2", "", ApplyOptions{}, workflow("one", "a"))
	if v2, err := r.svc.Release(ctx, "default", "v2"); err != nil || described(v2.Items) != "unchanged workflow/one" {
		t.Errorf("v2: %+v, %v", v2, err)
	}
}

func TestCompareRevisions(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	for _, message := range []string{"a", "b", "c"} {
		r.mustApply("", workflow("one", message))
	}
	found, err := r.svc.CompareRevisions(ctx, "default", one, 1, 3)
	if err != nil || len(found.Items) != 1 || len(found.Items[0].Changes) != 1 || string(found.Items[0].Changes[0].After) != `"c"` {
		t.Errorf("1 to 3: %+v, %v", found, err)
	}
	found, err = r.svc.CompareRevisions(ctx, "default", one, 3, 0)
	if err != nil || found.Changed {
		t.Errorf("3 to the current: %+v, %v", found, err)
	}
	_, err = r.svc.CompareRevisions(ctx, "default", one, 9, 0)
	wantProblem(t, err, schema.ProblemNotFound, "no revision 9")
}
