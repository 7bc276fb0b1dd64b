package workflows

import (
	"errors"
	"strings"
)

// A piece is a part of a string: text, or an expression and where its source
// begins in the string.
type piece struct {
	text   string
	expr   bool
	offset int // byte offset of text in the string
}

var errUnclosed = errors.New("${{ without }}")

// split cuts a string into text and expressions. A string without an
// expression is one piece. "$${{" stands for the text "${{".
//
// The end of an expression is the first "}}" that is neither inside a string
// of the expression nor closes maps that were opened in it.
func split(s string) ([]piece, error) {
	var pieces []piece
	var text strings.Builder
	textAt := 0
	for i := 0; i < len(s); {
		open := strings.Index(s[i:], "${{")
		if open < 0 {
			text.WriteString(s[i:])
			break
		}
		at := i + open
		if at > 0 && at-1 >= i && s[at-1] == '$' {
			text.WriteString(s[i : at-1])
			text.WriteString("${{")
			i = at + 3
			continue
		}
		text.WriteString(s[i:at])
		start := at + 3
		length := expressionLength(s[start:])
		if length < 0 {
			return []piece{{text: s, offset: at}}, errUnclosed
		}
		if text.Len() > 0 {
			pieces = append(pieces, piece{text: text.String(), offset: textAt})
			text.Reset()
		}
		pieces = append(pieces, piece{text: s[start : start+length], expr: true, offset: start})
		i = start + length + 2
		textAt = i
	}
	if text.Len() > 0 || len(pieces) == 0 {
		pieces = append(pieces, piece{text: text.String(), offset: textAt})
	}
	return pieces, nil
}

// expressionLength is the length of the expression that s begins with, up to
// its "}}", or -1 when that never comes.
func expressionLength(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\'':
			end := stringLength(s[i:], c)
			if end < 0 {
				return -1
			}
			i += end - 1
		case '`':
			end := strings.IndexByte(s[i+1:], '`')
			if end < 0 {
				return -1
			}
			i += end + 1
		case '{':
			depth++
		case '}':
			if depth > 0 {
				depth--
			} else if strings.HasPrefix(s[i:], "}}") {
				return i
			}
		}
	}
	return -1
}

// stringLength is the length of the string literal that s begins with, quotes
// included, or -1 when it is not closed.
func stringLength(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return -1
}
