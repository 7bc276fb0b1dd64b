package cell

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"plain ✓ ü 日本":      "plain ✓ ü 日本",
		"\x1b[31mred":       `\x1b[31mred`,
		"a\x07b\x00":        `a\x07b\x00`,
		"\u009b31m":         `\x9b31m`,
		"\x9b31m":           `\x9b31m`, // the same as a single byte, which is no UTF-8
		"a\u202eb\u2066":    `a\u202eb\u2066`,
		"one\ntwo\r\tthree": `one\ntwo\r three`,
		"\uFFFD":            "\uFFFD",
	} {
		if got := Safe(in); got != want {
			t.Errorf("Safe(%q) = %q, want %q", in, got, want)
		}
	}
	if got := SafeLines("a\tb\n\x1b"); got != "a\tb\n\\x1b" {
		t.Errorf("SafeLines: %q", got)
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("a\x1b[2J\x9b\u202e")
	f.Fuzz(func(t *testing.T, in string) {
		out := SafeLines(in)
		if !utf8.ValidString(out) {
			t.Fatalf("%q became %q, which is no UTF-8", in, out)
		}
		for _, r := range out {
			if r != '\n' && r != '\t' && hostile(r) {
				t.Fatalf("%q keeps %q", in, r)
			}
		}
		if strings.ContainsAny(Safe(in), "\n\t") {
			t.Fatalf("Safe(%q) has several lines", in)
		}
	})
}

func TestSafeJSONKeepsTheValue(t *testing.T) {
	in, err := json.Marshal(map[string]string{"a\u009b": "b\u202e\x7f\u2028 \U0001F469\u200d\U0001F680"})
	if err != nil {
		t.Fatal(err)
	}
	out := SafeJSON(in)
	var a, b any
	if json.Unmarshal(in, &a) != nil || json.Unmarshal(out, &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%s became %s", in, out)
	}
	if strings.ContainsFunc(string(out), hostile) {
		t.Errorf("%q", out)
	}
}

func TestWidths(t *testing.T) {
	if Width("日本 ✓") != 6 {
		t.Errorf("width %d", Width("日本 ✓"))
	}
	if got := Cut("abcdef", 4); got != "abc…" {
		t.Errorf("cut %q", got)
	}
	if got := Pad("日", 4); got != "日  " {
		t.Errorf("pad %q", got)
	}
}

// Prose breaks between words, never gets wider than it may, and loses nothing
// but blanks.
func TestFold(t *testing.T) {
	if got := Fold("The server does it in the background", 12); !slices.Equal(got, []string{"The server", "does it in", "the", "background"}) {
		t.Errorf("%q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([a-zä漢/-]{1,30} ?){0,12}`).Draw(t, "text")
		cells := rapid.IntRange(2, 40).Draw(t, "cells")
		lines := Fold(text, cells)
		for _, l := range lines {
			if Width(l) > cells {
				t.Errorf("%d cells in %q", Width(l), l)
			}
		}
		if squeeze := func(s string) string { return strings.ReplaceAll(s, " ", "") }; squeeze(strings.Join(lines, "")) != squeeze(text) {
			t.Errorf("%q became %q", text, lines)
		}
	})
}
