package column

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"paragon/engine/store"
)

func TestTextIsAlwaysTextAndKeepsWhatWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := string(rapid.SliceOf(rapid.Byte()).Draw(t, "raw"))
		clean := Text(raw)
		if !utf8.ValidString(clean) || strings.ContainsRune(clean, 0) || !IsText([]byte(clean)) {
			t.Fatalf("%q became %q", raw, clean)
		}
		if IsText([]byte(raw)) && clean != raw {
			t.Fatalf("%q became %q", raw, clean)
		}
		if Text(clean) != clean {
			t.Fatalf("%q does not stay", clean)
		}
	})
}

func TestKeyDigestTellsFieldsApart(t *testing.T) {
	seen := map[string][3]string{}
	for _, parts := range [][3]string{{"a", "b", "c"}, {"ab", "", "c"}, {"", "ab", "c"}, {"a", "bc", "d"}, {"a", "b", "cd"}, {"a\x01b", "c", "d"}, {"a", "\x01b", "c"}} {
		digest := string(KeyDigest(parts[0], parts[1], parts[2]))
		if other, ok := seen[digest]; ok {
			t.Errorf("%q and %q have one digest", parts, other)
		}
		seen[digest] = parts
	}
	if KeyDigest("a", "b", "") != nil {
		t.Error("no key has a digest")
	}
}

func TestLastStepsAndFirstRuns(t *testing.T) {
	row := func(run string, seq int64, attempt int) store.StepRow {
		r := store.StepRow{Run: run, Seq: seq}
		r.Attempt = attempt
		return r
	}
	got := LastSteps([]store.StepRow{row("a", 1, 1), row("a", 2, 1), row("a", 1, 2), row("b", 1, 1)})
	if len(got) != 3 || got[0].Seq != 2 || got[1].Attempt != 2 || got[2].Run != "b" {
		t.Errorf("got %v", got)
	}
}
