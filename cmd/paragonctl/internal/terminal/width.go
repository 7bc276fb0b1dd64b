package terminal

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Width is how many cells the text takes on a terminal, colours not counted.
func Width(text string) int { return ansi.StringWidth(text) }

// Cut shortens a text to a number of cells, with an ellipsis where it was cut.
func Cut(text string, cells int) string {
	if cells < 1 {
		return ""
	}
	return ansi.Truncate(text, cells, "…")
}

// Pad fills a text with spaces up to a number of cells.
func Pad(text string, cells int) string {
	return text + strings.Repeat(" ", max(cells-Width(text), 0))
}
