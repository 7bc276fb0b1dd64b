package workflows

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"paragon/schema"
)

// Diagnostics are the findings about an input, in the order of the source.
type Diagnostics []schema.Diagnostic

// HasErrors tells whether any finding is an error, not only a warning.
func (d Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(d, func(x schema.Diagnostic) bool { return x.Severity != schema.SeverityWarning })
}

// Error is the first error and the number of those that follow, on one line.
func (d Diagnostics) Error() string {
	first, more := "", 0
	for _, x := range d {
		switch {
		case x.Severity == schema.SeverityWarning:
		case first == "":
			first = headline(x)
		default:
			more++
		}
	}
	switch {
	case first == "":
		return "no errors"
	case more > 0:
		return fmt.Sprintf("%s (and %d more)", first, more)
	}
	return first
}

// Render writes each finding for a person: "file:line:col: error: message",
// the line of the source with a caret under the place, and the suggestion.
// Errors of w are not reported; give it a buffer to learn of them.
func (d Diagnostics) Render(w io.Writer) {
	for _, x := range d {
		severity := x.Severity
		if severity == "" {
			severity = schema.SeverityError
		}
		fmt.Fprintf(w, "%s%s: %s\n", prefix(x), severity, x.Message)
		if x.Source != "" {
			fmt.Fprintf(w, "    %s\n", x.Source)
			if x.Column > 0 {
				fmt.Fprintf(w, "    %s^\n", caretIndent(x.Source, x.Column))
			}
		}
		if x.Suggestion != "" {
			fmt.Fprintf(w, "    %s\n", x.Suggestion)
		}
	}
}

// headline is a diagnostic on one line.
func headline(x schema.Diagnostic) string {
	s := prefix(x) + x.Message
	if x.Suggestion != "" {
		s += "; " + x.Suggestion
	}
	return s
}

// prefix is the place of a diagnostic with a colon after it: the position in
// the file when it is known, else the field.
func prefix(x schema.Diagnostic) string {
	if x.Line == 0 {
		switch {
		case x.File != "":
			return x.File + ": "
		case x.Field != "":
			return x.Field + ": "
		}
		return ""
	}
	file := x.File
	if file == "" {
		file = "input"
	}
	return fmt.Sprintf("%s:%d:%d: ", file, x.Line, x.Column)
}

// caretIndent is the space in front of the caret. Tabs stay tabs, so that the
// caret stands under its character whatever their width is.
func caretIndent(line string, column int) string {
	var b strings.Builder
	n := 1
	for _, r := range line {
		if n >= column {
			return b.String()
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
		n++
	}
	for ; n < column; n++ {
		b.WriteByte(' ')
	}
	return b.String()
}

// order sorts by file, line and column and keeps the order of what is at one
// place. What has no position stays behind what has one.
func (d Diagnostics) order() {
	slices.SortStableFunc(d, func(a, b schema.Diagnostic) int {
		if a.File != b.File {
			return 0
		}
		if (a.Line == 0) != (b.Line == 0) {
			return b.Line - a.Line
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}
