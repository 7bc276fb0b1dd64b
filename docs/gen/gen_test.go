package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
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

// Every constant that bounds something is in a table of docs/limits.md, or said
// to be nobody's business but the room's; and there is no other.
func TestEveryLimitIsListed(t *testing.T) {
	all, err := bounds("../..")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, name := range inner {
		known[name] = true
	}
	for _, l := range limits {
		if known[l.constant] {
			t.Errorf("%s is listed twice", l.constant)
		}
		known[l.constant] = true
	}
	for _, name := range all {
		if !known[name] {
			t.Errorf("%s bounds something and is neither in limits nor in inner of docs/gen/limits.go", name)
		}
	}
	for _, name := range inner {
		if !slices.Contains(all, name) {
			t.Errorf("inner has %s, which is no constant any more", name)
		}
	}
	page, err := os.ReadFile("../limits.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range limits {
		if !strings.Contains(string(page), "<!-- generated: limits "+l.group+" -->") {
			t.Errorf("docs/limits.md has no table %s", l.group)
		}
	}
}

func TestUnits(t *testing.T) {
	for want, got := range map[string]string{
		"1 MiB": size.text(1 << 20), "255 bytes": size.text(255), "19 KiB": size.text(19 << 10), "1,000,000": count.text(1_000_000), "999": count.text(999),
		"7 d": span.text(7 * 24 * times["Hour"]), "90 s": span.text(90 * times["Second"]), "250 ms": span.text(250 * times["Millisecond"]), "32 MiB": mebi.text(32),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWrongMarks(t *testing.T) {
	for _, mark := range []string{"fields workflow.spec.nothing", "fields workflow.spec.steps id nothing", "fields workflow.metadata.name", "functions nothing", "limits nothing", "else"} {
		if _, err := fill([]byte("<!-- generated: " + mark + " -->\n<!-- end -->\n")); err == nil {
			t.Errorf("%q was filled", mark)
		}
	}
	if _, err := fill([]byte("<!-- generated: functions text -->\n")); err == nil {
		t.Error("a part without an end was filled")
	}
}
