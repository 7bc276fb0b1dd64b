package interpret_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"paragon/workflows"
)

var update = flag.Bool("update", false, "write the stories in testdata anew")

// story is one file of testdata: a workflow, what happens around it, and the
// records and the end that follow.
type story struct {
	workflow *workflows.Workflow
	play     struct {
		Input json.RawMessage    `json:"input"`
		Far   map[string][]reply `json:"far"`
		Mail  []letter           `json:"mail"`
		// Once says that the time at which an attempt began matters, so that
		// a crash may change the story.
		Once bool `json:"once"`
	}
	want string
}

func readStory(t *testing.T, file string) *story {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &story{}
	for _, part := range archive.Files {
		switch part.Name {
		case "spec.yaml":
			s.workflow = compileYAML(t, filepath.Base(file), string(part.Data))
		case "play.json":
			d := json.NewDecoder(bytes.NewReader(part.Data))
			d.DisallowUnknownFields()
			if err := d.Decode(&s.play); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		case "story":
			s.want = string(part.Data)
		default:
			t.Fatalf("%s: unknown part %s", file, part.Name)
		}
	}
	return s
}

func (s *story) engine(t *testing.T) *engine {
	var input any
	if s.play.Input != nil {
		if err := json.Unmarshal(s.play.Input, &input); err != nil {
			t.Fatal(err)
		}
	}
	return newEngine(t, s.workflow, input, scripted(s.play.Far), s.play.Mail)
}

func compileYAML(t testing.TB, file, spec string) *workflows.Workflow {
	t.Helper()
	text := "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: story}\nspec:\n  " +
		strings.ReplaceAll(strings.TrimRight(spec, "\n"), "\n", "\n  ") + "\n"
	docs, diags := workflows.Parse(workflows.Source{File: file, Data: []byte(text)})
	if diags.HasErrors() {
		t.Fatalf("%s: %v", file, diags)
	}
	wf, diags := docs[0].Compile()
	if diags.HasErrors() {
		t.Fatalf("%s: %v", file, diags)
	}
	return wf
}

// Each story is told as it stands beside it; and, whenever a worker dies in
// it, it ends the same.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			s := readStory(t, file)
			e := s.engine(t)
			e.eager = true
			e.run()
			if got := e.story(); got != s.want {
				if !*update {
					t.Fatalf("the story is now\n%s\nand was\n%s", got, s.want)
				}
				writeStory(t, file, got)
			}
			if s.play.Once {
				return
			}
			dieAtEach(t, e.remains(), func() *engine {
				e := s.engine(t)
				e.eager = true
				return e
			})
		})
	}
}

func writeStory(t *testing.T, file, text string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range archive.Files {
		if archive.Files[i].Name == "story" {
			archive.Files = append(archive.Files[:i], archive.Files[i+1:]...)
			break
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: "story", Data: []byte(text)})
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// dieAtEach runs the run again and again; the worker dies once at each moment
// of it, at each parking, and at any moment by chance.
func dieAtEach(t failer, want string, fresh func() *engine) {
	t.Helper()
	deaths := func(when string, dies func(moment) bool) int {
		e := fresh()
		e.dies = dies
		if got := e.run().remains(); got != want {
			t.Fatalf("a worker died (%s), and what remains is other:\n%s", when, difference(want, got))
		}
		return e.deaths
	}
	for k := 1; ; k++ {
		count := 0
		if deaths(fmt.Sprintf("at moment %d", k), func(moment) bool { count++; return count == k }) == 0 {
			break
		}
	}
	deaths("at each parking", func(m moment) bool { return m == parked })
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 0))
		deaths(fmt.Sprintf("by chance %d", seed), func(moment) bool { return r.IntN(4) == 0 })
	}
}

// difference shows where two texts part.
func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	from := max(i-6, 0)
	return "want\n" + strings.Join(a[from:min(i+12, len(a))], "\n") + "\ngot\n" + strings.Join(b[from:min(i+12, len(b))], "\n")
}
