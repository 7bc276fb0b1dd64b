package workflows

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// testNow is the time of the evaluations in tests.
var testNow = time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)

// evalText compiles and evaluates an expression on its own.
func evalText(t testing.TB, src string, s *Scope) (any, error) {
	t.Helper()
	v, err := CompileExpr(src, "test")
	if err != nil {
		return nil, err
	}
	return v.Eval(s)
}

// sameJSON compares two values by what they are as JSON.
func sameJSON(t testing.TB, got any, want string) bool {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatalf("result %v is not JSON: %v", got, err)
	}
	var a, b any
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	return reflect.DeepEqual(a, b)
}

func TestFunctionExamples(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Functions() {
		t.Run(f.Name, func(t *testing.T) {
			if seen[f.Name] {
				t.Fatalf("%s is in the table twice", f.Name)
			}
			seen[f.Name] = true
			if f.Doc == "" || f.Signature == "" || f.Group == "" {
				t.Fatalf("%s is not documented", f.Name)
			}
			got, err := evalText(t, f.Example, &Scope{Now: testNow, Seed: "seed"})
			if err != nil {
				t.Fatalf("%s: %v", f.Example, err)
			}
			if !sameJSON(t, got, f.Result) {
				text, _ := json.Marshal(got)
				t.Errorf("%s = %s, want %s", f.Example, text, f.Result)
			}
		})
	}
}
