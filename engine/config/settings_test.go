package config

import (
	"strings"
	"testing"

	"paragon/schema"
)

func TestSettings(t *testing.T) {
	r := newRig(t)
	got, err := r.svc.Settings(t.Context(), "default")
	if err != nil || got.Weight != schema.DefaultWeight {
		t.Fatalf("before anything is set: %+v %v", got, err)
	}
	if _, err := r.svc.SetSettings(t.Context(), System, "default", schema.ProjectSettings{Weight: 3}); err != nil {
		t.Fatal(err)
	}
	if got, err = r.svc.Settings(t.Context(), "default"); err != nil || got.Weight != 3 {
		t.Errorf("after: %+v %v", got, err)
	}
	for _, weight := range []int{-1, schema.MaxWeight + 1} {
		if _, err := r.svc.SetSettings(t.Context(), System, "default", schema.ProjectSettings{Weight: weight}); err == nil || !strings.Contains(err.Error(), "from 1 to") {
			t.Errorf("weight %d: %v", weight, err)
		}
	}
	if _, err := r.svc.SetSettings(t.Context(), System, "nowhere", schema.ProjectSettings{Weight: 3}); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("of a project that is not there: %v", err)
	}
}
