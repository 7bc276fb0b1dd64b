package terminal

import (
	"fmt"
	"strings"

	"github.com/muesli/termenv"

	"paragon/schema"
)

// Style writes text with or without colour. The zero value writes plain text.
type Style struct{ profile termenv.Profile }

// Plain is the style without colour.
var Plain = Style{profile: termenv.Ascii}

// OutStyle is the style for Out: colours only on a terminal.
func (s *Streams) OutStyle() Style { return s.style(s.OutTTY) }

// ErrStyle is the style for Err: colours only on a terminal.
func (s *Streams) ErrStyle() Style { return s.style(s.ErrTTY) }

func (s *Streams) style(tty bool) Style {
	if !tty {
		return Plain
	}
	return Style{profile: s.profile}
}

// The palette follows that of Okabe and Ito: blue against orange stays apart for
// every kind of colour vision. Red and green are never set against each other.
// The blue is a lighter one, which can be read on black, too.
const (
	blue   = "#3387CC"
	sky    = "#56B4E9"
	orange = "#E69F00"
	strong = "#D55E00"
	grey   = "#808080"
)

func (s Style) paint(text, colour string, bold bool) string {
	if s.profile == termenv.Ascii || text == "" {
		return text
	}
	st := s.profile.String(text).Foreground(s.profile.Color(colour))
	if bold {
		st = st.Bold()
	}
	return st.String()
}

// Bold makes a heading.
func (s Style) Bold(text string) string {
	if s.profile == termenv.Ascii || text == "" {
		return text
	}
	return s.profile.String(text).Bold().String()
}

// Dim is for what matters less.
func (s Style) Dim(text string) string { return s.paint(text, grey, false) }

// Good is for what went well.
func (s Style) Good(text string) string { return s.paint(text, blue, false) }

// Bad is for what failed.
func (s Style) Bad(text string) string { return s.paint(text, strong, true) }

// Notice is for what changes or warns.
func (s Style) Notice(text string) string { return s.paint(text, orange, false) }

// Active is for what is under way.
func (s Style) Active(text string) string { return s.paint(text, sky, false) }

// RunStatus is the status of a run as glyph, word and colour.
func (s Style) RunStatus(status schema.RunStatus) string { return s.status(string(status)) }

// StepStatus is the status of a step as glyph, word and colour.
func (s Style) StepStatus(status schema.StepStatus) string { return s.status(string(status)) }

func (s Style) status(word string) string {
	glyph, paint := "?", s.Dim
	switch word {
	case "queued":
		glyph = "○"
	case "running":
		glyph, paint = "▶", s.Active
	case "waiting":
		glyph, paint = "◷", s.Active
	case "retrying":
		glyph, paint = "↻", s.Notice
	case "succeeded":
		glyph, paint = "✓", s.Good
	case "failed":
		glyph, paint = "✗", s.Bad
	case "canceled":
		glyph, paint = "⊘", s.Notice
	case "skipped":
		glyph = "–"
	}
	return paint(glyph + " " + Safe(word))
}

// Action paints the word of what apply did ("created").
func (s Style) Action(word string) string {
	switch word {
	case "created":
		return s.Good(word)
	case "configured":
		return s.Active(word)
	case "deleted":
		return s.Notice(word)
	}
	return s.Dim(word)
}

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
