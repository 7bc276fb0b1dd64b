package config

import (
	"testing"
)

// What means the same is unchanged, however it is written: no revision, no
// version.
func TestApplyComparesMeaning(t *testing.T) {
	r := newRig(t)
	head := "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: one}\nspec:\n"
	r.mustApply("", head+"  timeout: 60s\n  steps:\n    - {id: a, set: {n: 1, x: null}}\n    - {id: b, delay: {for: 90s}}\n")
	for name, spec := range map[string]string{
		"order, comment, quotes": "  # the steps\n  steps:\n    - set: {x: null, \"n\": 1}\n      id: a\n    - {delay: {for: 90s}, id: b}\n  timeout: 60s\n",
		"durations":              "  timeout: 1m\n  steps:\n    - {id: a, set: {n: 1, x: null}}\n    - {id: b, delay: {for: 1m30s}}\n",
		"numbers":                "  timeout: 60s\n  steps:\n    - {id: a, set: {n: 1.0, x: null}}\n    - {id: b, delay: {for: 90s}}\n",
	} {
		if res := r.mustApply("", head+spec); res.Changed || actions(res) != "unchanged workflow/one" || res.Items[0].Revision != 1 {
			t.Errorf("%s: %+v", name, res)
		}
	}
	// A null in data is a value.
	res := r.mustApply("", head+"  timeout: 60s\n  steps:\n    - {id: a, set: {n: 1}}\n    - {id: b, delay: {for: 90s}}\n")
	if c := res.Items[0].Changes; actions(res) != "update workflow/one" || len(c) != 1 || c[0].Field != "spec.steps[a].set.x" || string(c[0].Before) != "null" || c[0].After != nil {
		t.Errorf("a null less: %+v", res)
	}
}
