package workflows

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// parseAll parses and compiles a source, and renders everything found.
func parseAll(t testing.TB, file string, data []byte) ([]*Workflow, string) {
	t.Helper()
	docs, diags := Parse(Source{File: file, Data: data})
	var compiled []*Workflow
	for i := range docs {
		if docs[i].Workflow == nil {
			continue
		}
		w, more := docs[i].Compile()
		diags = append(diags, more...)
		if w == nil && !more.HasErrors() {
			t.Errorf("%s: no workflow and no error", docs[i].Resource.Metadata.Name)
		}
		if w != nil {
			compiled = append(compiled, w)
			if _, err := CompileSpec(w.Name, docs[i].Resource.Spec); err != nil {
				t.Errorf("%s: the stored spec does not compile: %v", w.Name, err)
			}
		}
	}
	var b strings.Builder
	diags.Render(&b)
	return compiled, b.String()
}

func TestValid(t *testing.T) {
	files, err := filepath.Glob("testdata/valid/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if _, out := parseAll(t, filepath.Base(file), data); out != "" {
				t.Errorf("findings in a valid file:\n%s", out)
			}
		})
	}
}

// Each fixture breaks one rule, in the ways in which it can be broken; what is
// said about it stands beside it.
func TestInvalid(t *testing.T) {
	files, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, out := parseAll(t, filepath.Base(file), data)
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if out == "" {
				t.Error("nothing was found")
			}
			if out != string(want) {
				t.Errorf("got\n%s\nwant\n%s", out, want)
			}
		})
	}
}
