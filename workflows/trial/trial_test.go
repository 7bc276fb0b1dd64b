package trial

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatPasses runs the documents of testdata/pass: what a test can say of a
// workflow, each said of one.
func TestWhatPasses(t *testing.T) {
	files, err := filepath.Glob("testdata/pass/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		for _, r := range sandboxed(t, suiteOf(t, read(t, file))).Run(t.Context()) {
			for _, f := range r.Failures {
				t.Errorf("%s: %s:%d: %s\n%s\nwanted %s\ngot %s", r.Name(), f.File, f.Line, f.Message, f.Suggestion, f.Want, f.Got)
			}
		}
	}
}

// TestTwiceTheSame runs a document twice, once with one case at a time: all that
// came of it is the same.
func TestTwiceTheSame(t *testing.T) {
	s := sandboxed(t, suiteOf(t, read(t, "testdata/pass/kinds.yaml")))
	text := func(parallel int) string {
		s.Parallel = parallel
		results := s.Run(t.Context())
		for _, r := range results {
			r.Took = 0
		}
		raw, err := json.MarshalIndent(results, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if a, b := text(1), text(4); a != b {
		t.Errorf("two runs differ:\n%s\n%s", a, b)
	}
}

var update = flag.Bool("update", false, "rewrite what the failing tests say")

// TestWhatFails compares what is said of each thing that can be wrong.
func TestWhatFails(t *testing.T) {
	var b strings.Builder
	for _, r := range suiteOf(t, read(t, "testdata/fail/all.yaml")).Run(t.Context()) {
		if r.Passed {
			t.Errorf("%s passed", r.Name())
		}
		fmt.Fprintf(&b, "%s\n", r.Name())
		for _, f := range r.Failures {
			fmt.Fprintf(&b, "  %d:%d: %s\n", f.Line, f.Column, f.Message)
			if f.Suggestion != "" {
				fmt.Fprintf(&b, "    %s\n", f.Suggestion)
			}
			if strings.Contains(f.Want+f.Got, "\n") {
				fmt.Fprintf(&b, "    wanted\n      %s\n    got\n      %s\n", indent(f.Want), indent(f.Got))
			}
		}
	}
	const golden = "testdata/fail/all.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func indent(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ")
}
