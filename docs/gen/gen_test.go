package main

import (
	"bytes"
	"os"
	"testing"
)

func TestTheReferenceIsCurrent(t *testing.T) {
	for _, name := range pages {
		page, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		filled, err := fill(page)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(page, filled) {
			t.Errorf("docs/%s is not what the language is now: run make generate", name)
		}
	}
}

func TestWrongMarks(t *testing.T) {
	for _, mark := range []string{"fields workflow.spec.nothing", "fields workflow.spec.steps id nothing", "fields workflow.metadata.name", "functions nothing", "else"} {
		if _, err := fill([]byte("<!-- generated: " + mark + " -->\n<!-- end -->\n")); err == nil {
			t.Errorf("%q was filled", mark)
		}
	}
	if _, err := fill([]byte("<!-- generated: functions text -->\n")); err == nil {
		t.Error("a part without an end was filled")
	}
}
