package cell

import (
	"fmt"
	"strings"
)

// Safe shows the control characters of text from outside instead of obeying
// them: escape sequences that move the cursor or set the title, and marks that
// reorder text. Tabs become spaces and line breaks "\n".
func Safe(text string) string { return safe(text, false) }

// SafeLines is Safe for text of several lines: line breaks and tabs stay.
func SafeLines(text string) string { return safe(text, true) }

func safe(text string, lines bool) string {
	clean := true
	for _, r := range text {
		if hostile(r) || r < ' ' || r == '\uFFFD' {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case lines && (r == '\n' || r == '\t'):
			b.WriteRune(r)
		case r == '\t':
			b.WriteByte(' ')
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\uFFFD' && text[i] != 0xEF:
			// A byte that is no UTF-8: some terminals take it as a control
			// character of the C1 set.
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r < 0x100 && hostile(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case hostile(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hostile tells the runes that a terminal obeys or that reorder what is shown.
func hostile(r rune) bool {
	switch {
	case r < ' ', r >= 0x7f && r < 0xa0: // C0, DEL and C1
		return true
	case r == 0x061c, r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // bidirectional marks, zero width
		return r != 0x200d // joins emoji
	case r == 0x2028, r == 0x2029, r == 0xfeff:
		return true
	}
	return false
}

// SafeJSON escapes in encoded JSON what encoding/json leaves as it is though a
// terminal may obey it. The value stays the same.
func SafeJSON(text []byte) []byte {
	if !strings.ContainsFunc(string(text), func(r rune) bool { return r >= 0x7f && hostile(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range string(text) {
		if r >= 0x7f && hostile(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return []byte(b.String())
}
