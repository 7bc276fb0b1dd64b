package terminal

import (
	"strings"
	"testing"

	"paragon/schema"
)

// Status is never told by colour alone.
func TestEveryStatusHasItsGlyph(t *testing.T) {
	glyphs := map[string]string{}
	for _, s := range schema.RunStatuses {
		glyph, word, _ := strings.Cut(Plain.RunStatus(s), " ")
		if glyph == "?" || word != string(s) {
			t.Errorf("%s is shown as %s %s", s, glyph, word)
		}
		if other, taken := glyphs[glyph]; taken {
			t.Errorf("%s and %s have the same glyph", s, other)
		}
		glyphs[glyph] = string(s)
	}
}
