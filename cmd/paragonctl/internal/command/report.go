package command

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
)

// Report writes to Err why a command failed: findings with their places, what
// failed and why, and what to try.
func (e *Env) Report(err error) {
	var quiet *Quiet
	if err == nil || errors.As(err, &quiet) {
		return
	}
	style := e.ErrStyle()
	if errors.Is(err, ErrInterrupted) {
		fmt.Fprintln(e.Err, style.Bad("error:"), terminal.SafeLines(err.Error()))
		e.try(err)
		return
	}
	var problem *schema.Problem
	if errors.As(err, &problem) && len(problem.Errors) > 0 {
		WriteDiagnostics(e.Err, style, problem.Errors)
	}
	fmt.Fprintln(e.Err, style.Bad("error:"), terminal.SafeLines(err.Error()))
	e.try(err)
	if e.Flags.Debug {
		e.debug(err, problem)
	}
}

func (e *Env) try(err error) {
	if try := hint(err); try != "" {
		fmt.Fprintln(e.Err, "Try:", terminal.Safe(try))
	}
}

// debug writes what a person who mends the program wants to know.
func (e *Env) debug(err error, problem *schema.Problem) {
	if problem != nil {
		fmt.Fprintf(e.Err, "debug: problem %s, status %d, at %s\n", terminal.Safe(string(problem.Type)), problem.Status, terminal.Safe(problem.Instance))
		if problem.TraceID != "" {
			fmt.Fprintln(e.Err, "debug: trace", terminal.Safe(problem.TraceID))
		}
	}
	for ; err != nil; err = errors.Unwrap(err) {
		fmt.Fprintf(e.Err, "debug: caused by %T: %s\n", err, terminal.Safe(err.Error()))
	}
}

// WriteDiagnostics writes findings, each with its place, the line of source
// and a caret under the column.
func WriteDiagnostics(w io.Writer, style terminal.Style, list []schema.Diagnostic) {
	for _, d := range list {
		label := style.Bad("error:")
		if d.Severity == schema.SeverityWarning {
			label = style.Notice("warning:")
		}
		if at := place(d); at != "" {
			fmt.Fprint(w, style.Bold(at+":"), " ")
		}
		fmt.Fprintln(w, label, terminal.SafeLines(d.Message))
		if d.Source != "" && d.Line > 0 {
			number := fmt.Sprintf("%4d", d.Line)
			fmt.Fprintf(w, "%s %s\n", style.Dim(number+" |"), terminal.Safe(d.Source))
			if d.Column > 0 {
				fmt.Fprintf(w, "%s %s%s\n", style.Dim("     |"), indent(d.Source, d.Column), style.Notice("^"))
			}
		}
		if d.Suggestion != "" {
			fmt.Fprintln(w, "     ", terminal.Safe(d.Suggestion))
		}
	}
}

// place is where a finding points: the file when it is known, else the
// resource and the field.
func place(d schema.Diagnostic) string {
	var b strings.Builder
	if d.File != "" || d.Line > 0 {
		b.WriteString(terminal.Safe(d.File))
		if d.Line > 0 {
			fmt.Fprintf(&b, ":%d", d.Line)
			if d.Column > 0 {
				fmt.Fprintf(&b, ":%d", d.Column)
			}
		}
		return strings.TrimPrefix(b.String(), ":")
	}
	b.WriteString(terminal.Safe(d.Resource))
	if d.Field != "" {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(terminal.Safe(d.Field))
	}
	return b.String()
}

// indent is the space before the character of a column, as wide as the text
// before it is shown.
func indent(source string, column int) string {
	runes := []rune(source)
	shown := terminal.Safe(string(runes[:min(column-1, len(runes))]))
	return strings.Repeat(" ", terminal.Width(shown))
}
