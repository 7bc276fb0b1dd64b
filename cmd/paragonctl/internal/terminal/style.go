package terminal

import (
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
	case "configured", "rotated":
		return s.Active(word)
	case "deleted":
		return s.Notice(word)
	}
	return s.Dim(word)
}
