package theme

// Glyphs are the signs that a screen is drawn with, each one cell wide.
type Glyphs struct {
	// ASCII says that all signs are.
	ASCII bool
	// Ellipsis marks text that was cut.
	Ellipsis string
	// Rule is the line between parts, Bar an upright one, Corners those of a
	// box from the top left in the order of reading. Point stands between
	// words, Mark before a marked row, Up and Down tell a column's order.
	Rule, Bar, Point, Mark, Up, Down, Warn string
	Corners                                [4]string
	// Levels are the heights of a sparkline, lowest first.
	Levels []string
	// Span and Gap draw a length of time: work, and a wait.
	Span, Gap string
	status    map[string]string
}

var unicodeGlyphs = Glyphs{
	Ellipsis: "…", Rule: "─", Bar: "│", Corners: [4]string{"┌", "┐", "└", "┘"}, Point: "·", Mark: "●", Up: "▲", Down: "▼", Warn: "⚠",
	Levels: []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
	Span:   "█", Gap: "┄",
	status: map[string]string{"queued": "○", "running": "▶", "waiting": "◷", "retrying": "↻", "succeeded": "✓", "failed": "✗",
		"canceled": "⊘", "skipped": "–", "paused": "‖", "done": "✓", "refused": "✗", "invalid": "✗", "valid": "✓", "open": "▷", "alive": "✓", "lost": "✗"},
}

var asciiGlyphs = Glyphs{
	ASCII: true, Ellipsis: "~", Rule: "-", Bar: "|", Corners: [4]string{"+", "+", "+", "+"}, Point: "-", Mark: "*", Up: "^", Down: "v", Warn: "!",
	Levels: []string{"_", ".", ":", "-", "=", "+", "*", "#"},
	Span:   "#", Gap: ".",
	status: map[string]string{"queued": "o", "running": ">", "waiting": "~", "retrying": "@", "succeeded": "+", "failed": "x",
		"canceled": "/", "skipped": "-", "paused": "=", "done": "+", "refused": "x", "invalid": "x", "valid": "+", "open": ")", "alive": "+", "lost": "x"},
}

// Status is a state as glyph, word and colour, so that colour alone tells
// nothing. The word must be harmless.
func (t *Theme) Status(word string) string {
	glyph, known := t.status[word]
	if !known {
		glyph = "?"
	}
	return t.Paint(RoleOf(word), glyph+" "+word)
}

// RoleOf is the role of the word of a state.
func RoleOf(word string) Role {
	switch word {
	case "running", "waiting":
		return Active
	case "retrying", "canceled", "paused":
		return Notice
	case "succeeded", "done", "valid", "alive":
		return Good
	case "failed", "refused", "invalid", "lost":
		return Bad
	}
	return Dim
}
