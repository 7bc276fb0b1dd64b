package plan

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

func TestPathLabels(t *testing.T) {
	for path, want := range map[string][]string{
		"spec":                       {"spec"},
		"spec.steps[lookup].timeout": {"spec", "steps", "lookup", "timeout"},
		"spec.steps[2].if":           {"spec", "steps", "[2]", "if"},
		"spec.steps (order)":         {"spec", "steps", "(order)"},
		`metadata.labels["a.b/c"]`:   {"metadata", "labels", "a.b/c"},
		`spec.x["a\"]"][b].c`:        {"spec", "x", `a"]`, "b", "c"},
		"":                           nil,
		"spec[":                      {"spec", "["},
		"..":                         {"."},
	} {
		if got := pathLabels(path); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestChangeTree(t *testing.T) {
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	var b strings.Builder
	changeTree([]api.FieldChange{
		{Field: `metadata.labels["a.b"]`, After: raw(`"x"`)},
		{Field: "spec.steps[each].steps[in].request.body", Before: raw(`{"a":[1,"2"]}`), After: raw(`null`)},
		{Field: "spec.steps[each].steps[in].if", Before: raw(`"${{ a }}"`)},
		{Field: "spec.timeout", Before: raw(`"1m"`), After: raw("\"\x1b\"")},
		{Field: "spec.timeout.x", After: raw(`nonsense`)},
	}).write(&b, terminal.Plain, "")
	want := `metadata
  labels
    + a.b: x
spec
  steps
    each
      steps
        in
          request
            - body:
            -   a:
            -     - 1
            -     - "2"
            + body: null
          - if: ${{ a }}
  - timeout: 1m
  + timeout: "\x1b"
  timeout
    + x: nonsense
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
