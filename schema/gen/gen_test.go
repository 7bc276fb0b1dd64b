package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The embedded schemas are those of the structs as they are now.
func TestUpToDate(t *testing.T) {
	structs, err := readStructs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds {
		want, err := generate(structs, k)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "jsonschema", k.file))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is not up to date: run go generate ./schema", k.file)
		}
	}
}

// Every key of the language is explained.
func TestDocumented(t *testing.T) {
	structs, err := readStructs("..")
	if err != nil {
		t.Fatal(err)
	}
	g := &generator{structs: structs, done: map[string]bool{}}
	for _, k := range kinds {
		if _, err := g.reference(k.spec); err != nil {
			t.Fatal(err)
		}
	}
	for name := range g.done {
		s := structs[name]
		if s.doc == "" {
			t.Errorf("%s has no comment", name)
		}
		for _, f := range s.fields {
			if f.doc == "" {
				t.Errorf("%s.%s has no comment", name, f.goName)
			}
		}
	}
}
