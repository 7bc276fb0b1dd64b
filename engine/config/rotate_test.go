package config

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"paragon/engine/cache"
	"paragon/engine/seal"
	"paragon/schema"
)

func TestRotateDataKey(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	r.mustApply("", secretDoc("TOKEN", "hunter2-value"), secretDoc("OTHER", "second-value"))
	before, err := r.store.LoadConfig(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// What a run on a worker sealed under the key of before.
	old, err := r.keys.DataKey(ctx, "default", before.Projects[0].DataKey)
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := old.Seal([]byte("a result"), "run", "r1")
	if err != nil {
		t.Fatal(err)
	}

	n, err := r.svc.RotateDataKey(ctx, System, "default", 0)
	if err != nil || n != 2 {
		t.Fatalf("%d secrets, %v", n, err)
	}
	after, err := r.store.LoadConfig(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range after.Resources {
		if bytes.Equal(s.Spec, before.Resources[i].Spec) || s.Revision != 2 {
			t.Errorf("%s is as before: revision %d", s.Metadata.Name, s.Revision)
		}
	}
	p := r.cache()
	if v, ok := p.Secret("TOKEN"); !ok || v != "hunter2-value" {
		t.Errorf("published: %q, %t", v, ok)
	}
	now, err := r.keys.DataKey(ctx, "default", after.Projects[0].DataKey)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := now.Open(checkpoint, "run", "r1"); err != nil || string(plain) != "a result" {
		t.Errorf("the checkpoint of a run: %q, %v", plain, err)
	}

	// A revision from before the rotation can be gone back to.
	r.mustApply("", secretDoc("TOKEN", "third-value"))
	if _, err := r.svc.Rollback(ctx, alice, "default", schema.Ref{Kind: schema.KindSecret, Name: "TOKEN"}, 1, Condition{}); err != nil {
		t.Fatal(explain(err))
	}
	if v, _ := r.cache().Secret("TOKEN"); v != "hunter2-value" {
		t.Errorf("rolled back: %q", v)
	}
	_, err = r.svc.RotateDataKey(ctx, System, "nowhere", 0)
	wantProblem(t, err, schema.ProblemNotFound, "nowhere")
}

// A master key is replaced while every process goes on: the new one in front,
// rotate, the old one away.
func TestRotateMasterKeyAndDropTheOld(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	r.mustApply("", secretDoc("TOKEN", "hunter2-value"))
	local := func(b byte) seal.Master {
		m, err := seal.NewLocalMaster(bytes.Repeat([]byte{b}, 32))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	r.svc.keys = seal.NewKeyring(local(2), local(1))
	if n, err := r.svc.RotateMasterKey(ctx, System); err != nil || n != 1 {
		t.Fatalf("%d projects, %v", n, err)
	}
	if n, err := r.svc.RotateMasterKey(ctx, System); err != nil || n != 0 {
		t.Errorf("again: %d projects, %v", n, err)
	}
	r.keys = seal.NewKeyring(local(2))
	if v, ok := r.cache().Secret("TOKEN"); !ok || v != "hunter2-value" {
		t.Errorf("with the new key alone: %q, %t", v, ok)
	}
}

// A process that starts after a secret was rotated keeps the values of before
// out of the logs, too: runs that took one up may still be going on.
func TestAProcessThatStartsKnowsEarlierValues(t *testing.T) {
	r := newRig(t)
	ctx := context.Background()
	token := schema.Ref{Kind: schema.KindSecret, Name: "TOKEN"}
	hides := func(values ...string) {
		t.Helper()
		redactor := r.cache().Redactor()
		for _, v := range values {
			if got := redactor.String(v); got != "***" {
				t.Errorf("%s is told as %s", v, got)
			}
		}
	}
	r.mustApply("", secretDoc("TOKEN", "first-value"))
	r.mustApply("", secretDoc("TOKEN", "second-value"))
	hides("first-value", "second-value")
	if _, err := r.svc.RotateDataKey(ctx, System, "default", 0); err != nil {
		t.Fatal(err)
	}
	r.mustApply("", secretDoc("TOKEN", "third-value"))
	hides("first-value", "second-value", "third-value")
	if _, err := r.svc.Rollback(ctx, alice, "default", token, 1, Condition{}); err != nil {
		t.Fatal(explain(err))
	}
	hides("first-value", "second-value", "third-value")
	if v, ok := r.cache().Secret("TOKEN"); !ok || v != "first-value" {
		t.Errorf("rolled back to %q, %t", v, ok)
	}
	// As many as are kept, and no more is stored.
	for n := range 2 * cache.MaxPast {
		r.mustApply("", secretDoc("TOKEN", fmt.Sprintf("value-%02d", n)))
	}
	hides(fmt.Sprintf("value-%02d", cache.MaxPast), fmt.Sprintf("value-%02d", 2*cache.MaxPast-1))
	stored, err := r.store.Resource(ctx, "default", token)
	if err != nil {
		t.Fatal(err)
	}
	var spec storedSecret
	if err := json.Unmarshal(stored.Spec, &spec); err != nil || len(spec.Past) != cache.MaxPast {
		t.Errorf("%d earlier values are stored, %v; want %d", len(spec.Past), err, cache.MaxPast)
	}
	shown, err := r.svc.Get(ctx, "default", token, 0)
	if err != nil || bytes.Contains(shown.Spec, []byte("past")) || bytes.Contains(shown.Spec, []byte("sealed")) {
		t.Errorf("shown as %s, %v", shown.Spec, err)
	}
}
