package workflows

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"paragon/schema"
)

func resource(kind schema.Kind, name, spec string) schema.Resource {
	return schema.Resource{APIVersion: schema.APIVersion, Kind: kind, Metadata: schema.Metadata{Name: name}, Spec: json.RawMessage(spec)}
}

func describe(changes []Change) string {
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "%s %s\n", c.Action, c.Ref)
		for _, f := range c.Fields {
			fmt.Fprintf(&b, "  %s: %s -> %s\n", f.Field, f.Before, f.After)
		}
	}
	return b.String()
}

func TestDiff(t *testing.T) {
	workflow := func(spec string) []schema.Resource {
		return []schema.Resource{resource(schema.KindWorkflow, "a", spec)}
	}
	secret := func(spec string) []schema.Resource {
		return []schema.Resource{resource(schema.KindSecret, "S", spec)}
	}
	for _, tt := range []struct {
		name          string
		before, after []schema.Resource
		want          string
	}{
		{"nothing", nil, nil, ""},
		{"create", nil, workflow(`{}`), "create workflow/a\n"},
		{"delete", workflow(`{}`), nil, "delete workflow/a\n"},
		{"key order and space", workflow(`{"a":1,"b":[1,2]}`), workflow(`{ "b": [1, 2.0], "a": 1e0 }`), "unchanged workflow/a\n"},
		{"null is absent in a field", workflow(`{"timeout":null,"steps":[{"id":"a","if":null}]}`), workflow(`{"steps":[{"id":"a"}]}`), "unchanged workflow/a\n"},
		{"null is not absent in data", workflow(`{"steps":[{"id":"a","request":{"body":{"x":null}}}]}`), workflow(`{"steps":[{"id":"a","request":{"body":{}}}]}`),
			"update workflow/a\n  spec.steps[a].request.body.x: null -> \n"},
		{"durations by value", workflow(`{"timeout":"60s","defaults":{"retry":{"maxElapsed":"24h"}},"steps":[{"id":"a","delay":{"for":"90s"}},{"id":"p","parallel":{"branches":{"x":{"steps":[{"id":"b","timeout":"1000ms"}]}}}}]}`),
			workflow(`{"timeout":"1m","defaults":{"retry":{"maxElapsed":"1d"}},"steps":[{"id":"a","delay":{"for":"1m30s"}},{"id":"p","parallel":{"branches":{"x":{"steps":[{"id":"b","timeout":"1s"}]}}}}]}`), "unchanged workflow/a\n"},
		{"a text that looks like a duration is data", workflow(`{"steps":[{"id":"a","set":{"timeout":"60s"}}]}`), workflow(`{"steps":[{"id":"a","set":{"timeout":"1m"}}]}`),
			"update workflow/a\n  spec.steps[a].set.timeout: \"60s\" -> \"1m\"\n"},
		{"a default written out", workflow(`{"priority":"normal"}`), workflow(`{}`), "update workflow/a\n  spec.priority: \"normal\" -> \n"},
		{"large numbers stay exact", workflow(`{"a":9007199254740993}`), workflow(`{"a":9007199254740992}`),
			"update workflow/a\n  spec.a: 9007199254740993 -> 9007199254740992\n"},
		{"field", workflow(`{"timeout":"1m"}`), workflow(`{"timeout":"2m","x":true}`),
			"update workflow/a\n  spec.timeout: \"1m\" -> \"2m\"\n  spec.x:  -> true\n"},
		{"step by id", workflow(`{"steps":[{"id":"a","set":{"x":1}},{"id":"b","set":{}}]}`), workflow(`{"steps":[{"id":"n","set":{}},{"id":"a","set":{"x":2}},{"id":"b","set":{}}]}`),
			"update workflow/a\n  spec.steps[a].set.x: 1 -> 2\n  spec.steps[n]:  -> {\"id\":\"n\",\"set\":{}}\n"},
		{"order of steps", workflow(`{"steps":[{"id":"a"},{"id":"b"}]}`), workflow(`{"steps":[{"id":"b"},{"id":"a"}]}`),
			"update workflow/a\n  spec.steps (order): [\"a\",\"b\"] -> [\"b\",\"a\"]\n"},
		{"a secret's value stays hidden", secret(`{"value":"old"}`), secret(`{"value":"new"}`),
			"update secret/S\n  spec.value: \"***\" -> \"***\"\n"},
		{"a secret's whole spec stays hidden", secret(``), secret(`{"value":"new"}`),
			"update secret/S\n  spec:  -> {\"value\":\"***\"}\n"},
		{"broken spec", workflow(`{`), workflow(`{}`), "update workflow/a\n  spec: \"{\" -> {}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := describe(Diff(tt.before, tt.after)); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestDiffLabels(t *testing.T) {
	a, b := resource(schema.KindWorkflow, "a", `{}`), resource(schema.KindWorkflow, "a", `{}`)
	b.Metadata.Labels = map[string]string{"team.io/x": "y"}
	want := "update workflow/a\n  metadata.labels[\"team.io/x\"]:  -> \"y\"\n"
	if got := describe(Diff([]schema.Resource{a}, []schema.Resource{b})); got != want {
		t.Errorf("got %s", got)
	}
}

// jsonValue draws a plain value.
func jsonValue(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		limit := 5
		if depth <= 0 {
			limit = 3
		}
		switch rapid.IntRange(0, limit).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.IntRange(-5, 5).Draw(t, "int")
		case 3:
			return rapid.StringN(0, 4, -1).Draw(t, "text")
		case 4:
			return rapid.SliceOfN(jsonValue(depth-1), 0, 3).Draw(t, "list")
		}
		return rapid.MapOfN(rapid.SampledFrom([]string{"id", "a", "b", "c"}), jsonValue(depth-1), 0, 3).Draw(t, "map")
	})
}

// A set differs from itself in nothing, and whatever differs one way differs
// the other way.
func TestDiffProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, _ := json.Marshal(jsonValue(3).Draw(t, "one"))
		two, _ := json.Marshal(jsonValue(3).Draw(t, "two"))
		a := []schema.Resource{resource(schema.KindWorkflow, "a", string(one))}
		b := []schema.Resource{resource(schema.KindWorkflow, "a", string(two))}
		if c := Diff(a, a); c[0].Action != ActionUnchanged {
			t.Fatalf("%s differs from itself: %s", one, describe(c))
		}
		ab, ba := Diff(a, b), Diff(b, a)
		if len(ab[0].Fields) != len(ba[0].Fields) {
			t.Fatalf("not symmetric:\n%s%s", describe(ab), describe(ba))
		}
	})
}

func FuzzDiff(f *testing.F) {
	f.Add(`{"steps":[{"id":"a"}]}`, `{"steps":[{"id":"b"}]}`)
	f.Add(`{`, `null`)
	f.Add(`[1]`, `{"a":[]}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		before := []schema.Resource{resource(schema.KindWorkflow, "w", a)}
		after := []schema.Resource{resource(schema.KindWorkflow, "w", b)}
		if c := Diff(before, before); c[0].Action != ActionUnchanged {
			t.Fatalf("%q differs from itself", a)
		}
		for _, c := range Diff(before, after) {
			for _, f := range c.Fields {
				if f.Before != nil && !json.Valid(f.Before) || f.After != nil && !json.Valid(f.After) {
					t.Fatalf("%s: %s -> %s is not JSON", f.Field, f.Before, f.After)
				}
			}
		}
	})
}
