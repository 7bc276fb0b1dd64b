package cell

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Width is how many cells the text takes on a terminal, colours not counted.
func Width(text string) int { return ansi.StringWidth(text) }

// Cut shortens a text to a number of cells, with an ellipsis where it was cut.
func Cut(text string, cells int) string { return cut(text, cells, "…") }

// CutASCII is Cut with a tilde for the ellipsis.
func CutASCII(text string, cells int) string { return cut(text, cells, "~") }

func cut(text string, cells int, mark string) string {
	if cells < 1 {
		return ""
	}
	if len(text) <= cells { // no text is wider than it has bytes
		return text
	}
	return ansi.Truncate(text, cells, mark)
}

// Pad fills a text with spaces up to a number of cells.
func Pad(text string, cells int) string {
	return text + strings.Repeat(" ", max(cells-Width(text), 0))
}

// PadLeft fills a text with spaces on its left up to a number of cells.
func PadLeft(text string, cells int) string {
	return strings.Repeat(" ", max(cells-Width(text), 0)) + text
}

// Wrap breaks a text into lines of at most so many cells.
func Wrap(text string, cells int) []string {
	if cells < 1 {
		return nil
	}
	return strings.Split(ansi.Hardwrap(text, cells, true), "\n")
}

// Fold breaks prose into lines of at most so many cells, between words where
// it can.
func Fold(text string, cells int) []string {
	if cells < 1 {
		return nil
	}
	return Wrap(ansi.Wordwrap(text, cells, ""), cells)
}
