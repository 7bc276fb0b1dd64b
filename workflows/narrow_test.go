package workflows

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNarrowed(t *testing.T) {
	for name, tc := range map[string]struct{ before, after, want string }{
		"the same":                 {`{"type":"object","required":["a"]}`, `{"type":"object","required":["a"]}`, ""},
		"none before":              {`null`, `{"type":"object","required":["email"]}`, "the whole must be object; email became required"},
		"none after":               {`{"type":"object","required":["a"]}`, `null`, ""},
		"one more required":        {`{"required":["a"]}`, `{"required":["a","b"]}`, "b became required"},
		"one less required":        {`{"required":["a","b"]}`, `{"required":["a"]}`, ""},
		"a new optional property":  {`{"properties":{"a":{"type":"string"}}}`, `{"properties":{"a":{"type":"string"},"b":{"type":"string"}}}`, ""},
		"another type":             {`{"properties":{"a":{"type":"string"}}}`, `{"properties":{"a":{"type":"integer"}}}`, "a must be integer, was string"},
		"a wider type":             {`{"properties":{"a":{"type":"integer"}}}`, `{"properties":{"a":{"type":["number","null"]}}}`, ""},
		"an enum with less":        {`{"properties":{"a":{"enum":["x","y"]}}}`, `{"properties":{"a":{"enum":["y","z"]}}}`, `a can't be "x" any more`},
		"an enum with more":        {`{"properties":{"a":{"const":"x"}}}`, `{"properties":{"a":{"enum":["x","y"]}}}`, ""},
		"an enum at all":           {`{}`, `{"enum":[1,2]}`, "the whole must be one of 1, 2"},
		"a field less, closed":     {`{"properties":{"a":{},"b":{}},"additionalProperties":false}`, `{"properties":{"a":{}},"additionalProperties":false}`, "b is not taken any more"},
		"a field less, open":       {`{"properties":{"a":{},"b":{}}}`, `{"properties":{"a":{}}}`, ""},
		"closed":                   {`{"properties":{"a":{}}}`, `{"properties":{"a":{}},"additionalProperties":false}`, "the whole takes no other fields any more"},
		"a field that nothing may": {`{"properties":{"a":{}}}`, `{"properties":{"a":false}}`, "a is not taken any more"},
		"deep":                     {`{"properties":{"a":{"items":{"required":["x"]}}}}`, `{"properties":{"a":{"items":{"required":["x","y"]}}}}`, "a[].y became required"},
		"tighter bounds":           {`{"minLength":1,"maximum":10}`, `{"minLength":2,"maximum":9,"maxItems":3}`, "the whole has maxItems 3; the whole has maximum 9; the whole has minLength 2"},
		"looser bounds":            {`{"minLength":2,"maximum":9}`, `{"minLength":1,"maximum":10}`, ""},
		"another pattern":          {`{"pattern":"^a"}`, `{"pattern":"^b"}`, "the whole has another pattern"},
		"words alone":              {`{"description":"x"}`, `{"description":"y","title":"z","default":1}`, ""},
		"another anyOf":            {`{"anyOf":[{"type":"string"}]}`, `{"anyOf":[{"type":"integer"}]}`, "the whole has another anyOf"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after map[string]any
			if err := errors.Join(json.Unmarshal([]byte(tc.before), &before), json.Unmarshal([]byte(tc.after), &after)); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(Narrowed(before, after), "; "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A schema is not narrower than itself, and taking a requirement away narrows
// nothing.
func TestNarrowedByNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.StringMatching(`[a-d]`), rapid.ID[string]).Draw(t, "names")
		properties := map[string]any{}
		var required []any
		for _, name := range names {
			properties[name] = map[string]any{"type": rapid.SampledFrom([]string{"string", "integer", "object"}).Draw(t, "type")}
			if rapid.Bool().Draw(t, "required") {
				required = append(required, name)
			}
		}
		s := map[string]any{"type": "object", "properties": properties, "required": required}
		if got := Narrowed(s, s); len(got) > 0 {
			t.Errorf("a schema against itself: %v", got)
		}
		looser := map[string]any{"type": "object", "properties": properties}
		if got := Narrowed(s, looser); len(got) > 0 {
			t.Errorf("without what is required: %v", got)
		}
		if got := Narrowed(looser, s); len(got) != len(required) {
			t.Errorf("with what is required: %v; want %v", got, required)
		}
	})
}
