package workflows

import (
	"encoding/json"
	"reflect"
	"testing"

	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"
)

func TestMarshalYAML(t *testing.T) {
	type doc struct {
		B string         `json:"b"`
		A []any          `json:"a"`
		M map[string]any `json:"m"`
	}
	got, err := MarshalYAML(doc{B: "yes", A: []any{1, 2.5, nil, true, "012", "a\nb\n", "1e3", "", "~"}, M: map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	want := "b: \"yes\"\na:\n  - 1\n  - 2.5\n  - null\n  - true\n  - \"012\"\n  - |\n    a\n    b\n  - \"1e3\"\n  - \"\"\n  - \"~\"\nm: {}\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What is written is read back as the same value.
func TestMarshalYAMLRoundTrip(t *testing.T) {
	value := rapid.Deferred(func() *rapid.Generator[any] { return anyJSON(3) })
	rapid.Check(t, func(t *rapid.T) {
		in := value.Draw(t, "value")
		text, err := MarshalYAML(in)
		if err != nil {
			t.Fatal(err)
		}
		var out any
		if err := yaml.Unmarshal(text, &out); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		a, _ := json.Marshal(in)
		b, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		var x, y any
		_ = json.Unmarshal(a, &x)
		_ = json.Unmarshal(b, &y)
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("%s became %s by way of\n%s", a, b, text)
		}
	})
}

func anyJSON(depth int) *rapid.Generator[any] {
	scalar := []*rapid.Generator[any]{
		rapid.Just[any](nil),
		rapid.Bool().AsAny(),
		rapid.Int32().AsAny(),
		rapid.SampledFrom([]float64{0.5, 1e21, -2.25, 1e-7}).AsAny(),
		rapid.String().AsAny(),
		rapid.SampledFrom([]string{"no", "on", "null", "0x1f", "1_000", "2001-01-01", "- a", "a: b", "#", " x", "x ", "<<", "=", "\t", "\r\n", ".inf"}).AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(scalar...)
	}
	below := rapid.Deferred(func() *rapid.Generator[any] { return anyJSON(depth - 1) })
	return rapid.OneOf(append(scalar,
		rapid.SliceOfN(below, 0, 4).AsAny(),
		rapid.MapOfN(rapid.String(), below, 0, 4).AsAny(),
	)...)
}
