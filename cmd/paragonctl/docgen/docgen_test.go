package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const docs = "../../../docs"

func TestPagesAreUpToDate(t *testing.T) {
	pages, err := render()
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 80 {
		t.Errorf("only %d pages", len(pages))
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(docs, filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("docs/%s is not what the commands say (%v): run make generate", name, err)
		}
	}
	for _, dir := range []string{"cli", "man"} {
		there, err := filepath.Glob(filepath.Join(docs, dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range there {
			if _, ok := pages[dir+"/"+filepath.Base(path)]; !ok {
				t.Errorf("%s is of a command that is gone: run make generate", path)
			}
		}
	}
}

// docs/configure.md has the flags and the keys that there are.
func TestConfigurePageIsUpToDate(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(docs, "configure.md"))
	if err != nil {
		t.Fatal(err)
	}
	made, err := configure(string(page), commands())
	if err != nil {
		t.Fatal(err)
	}
	if made != string(page) {
		t.Error("docs/configure.md is not what paragonctl has now: run make generate")
	}
	if rows := strings.Count(made, "\n| `--"); rows < 100 {
		t.Errorf("docs/configure.md has only %d flags", rows)
	}
	if _, err := configure("a page without marks", commands()); err == nil {
		t.Error("a page without a place for the tables is filled")
	}
}

// A page has a date or a machine's name in it as little as an environment.
func TestPagesAreTheSameEverywhere(t *testing.T) {
	t.Setenv("HOME", "/somebody")
	t.Setenv("PARAGON_THEME", "light")
	t.Setenv("SOURCE_DATE_EPOCH", "1")
	pages, err := render()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range pages {
		if bytes.Contains(text, []byte("/somebody")) || bytes.Contains(text, []byte("Jan 1970")) {
			t.Errorf("%s depends on where it was made", name)
		}
		if strings.HasPrefix(name, "man/") && !bytes.HasPrefix(text, []byte(`.nh`)) {
			t.Errorf("%s begins with %.40q", name, text)
		}
	}
}

// Writing removes what is of no command any more, and nothing beside.
func TestWriteRemovesWhatIsGone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"cli/paragonctl_old.md", "language.md"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(filepath.Join(docs, "configure.md"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "configure.md"), page, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := write(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"cli/paragonctl_old.md": false, "language.md": true, "cli/paragonctl_apply.md": true, "man/paragonctl-secret-set.1": true} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
}
