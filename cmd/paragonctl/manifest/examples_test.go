package manifest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/workflows"
)

// What people copy from is right, without a warning, and in the one layout.
func TestWhatPeopleCopyFrom(t *testing.T) {
	entries, err := os.ReadDir("../../../examples")
	if err != nil {
		t.Fatal(err)
	}
	dirs := []string{"scaffold/workflows", "scaffold/secrets", "scaffold/tests"}
	for _, e := range entries {
		if e.IsDir() {
			dirs = append(dirs, filepath.Join("../../../examples", e.Name()))
		}
	}
	if len(dirs) < 3 {
		t.Fatal("no examples")
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			env := &command.Env{Getenv: func(string) string { return "set" }}
			files, err := (&source.Flags{Paths: []string{dir}, Recursive: true}).Read(env)
			if err != nil {
				t.Fatal(err)
			}
			set := source.Check(files)
			set.Values(env)
			for _, d := range set.Findings {
				t.Errorf("%s:%d:%d: %s", d.File, d.Line, d.Column, d.Message)
			}
			for _, f := range files {
				text, err := workflows.Format([]byte(f.Content))
				if err != nil || !bytes.Equal(text, []byte(f.Content)) {
					t.Errorf("%s is not as `paragonctl fmt` writes it (%v)", f.Name, err)
				}
			}
			if strings.HasPrefix(dir, "scaffold") {
				return
			}
			if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGitHubPayloadIsJSON(t *testing.T) {
	text, err := os.ReadFile("../../../examples/github-webhook/push.json")
	if err != nil {
		t.Fatal(err)
	}
	var push struct {
		Ref        string
		Repository struct {
			DefaultBranch string `json:"default_branch"`
		}
		Commits []any
	}
	if err := json.Unmarshal(text, &push); err != nil || push.Ref != "refs/heads/"+push.Repository.DefaultBranch || len(push.Commits) == 0 {
		t.Errorf("%+v, %v", push, err)
	}
}
