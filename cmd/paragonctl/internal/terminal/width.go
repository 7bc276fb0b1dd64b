package terminal

import "paragon/tui/cell"

// Width is how many cells the text takes on a terminal, colours not counted.
func Width(text string) int { return cell.Width(text) }

// Cut shortens a text to a number of cells, with an ellipsis where it was cut.
func Cut(text string, cells int) string { return cell.Cut(text, cells) }

// Pad fills a text with spaces up to a number of cells.
func Pad(text string, cells int) string { return cell.Pad(text, cells) }

// Safe shows the control characters of text from outside instead of obeying
// them. Tabs become spaces and line breaks "\n".
func Safe(text string) string { return cell.Safe(text) }

// SafeLines is Safe for text of several lines: line breaks and tabs stay.
func SafeLines(text string) string { return cell.SafeLines(text) }

// SafeJSON escapes in encoded JSON what a terminal may obey. The value stays
// the same.
func SafeJSON(text []byte) []byte { return cell.SafeJSON(text) }
