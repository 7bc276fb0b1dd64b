package command

import (
	"fmt"
	"io"
	"os"
	"strings"

	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
)

// WriteGitHub writes findings as workflow commands of GitHub Actions, which
// shows them on the lines of a pull request.
func WriteGitHub(w io.Writer, list []schema.Diagnostic) {
	for _, d := range list {
		level := "error"
		if d.Severity == schema.SeverityWarning {
			level = "warning"
		}
		var at []string
		if d.File != "" {
			at = append(at, "file="+githubProperty(d.File))
		}
		if d.Line > 0 {
			at = append(at, fmt.Sprintf("line=%d", d.Line))
		}
		if d.Column > 0 {
			at = append(at, fmt.Sprintf("col=%d", d.Column))
		}
		if d.Code != "" {
			at = append(at, "title="+githubProperty(d.Code))
		}
		message := d.Message
		if d.Suggestion != "" {
			message += "\n" + d.Suggestion
		}
		space := ""
		if len(at) > 0 {
			space = " "
		}
		fmt.Fprintf(w, "::%s%s%s::%s\n", level, space, strings.Join(at, ","), githubData(message))
	}
}

var (
	githubDataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	githubPropertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func githubData(text string) string     { return githubDataEscapes.Replace(text) }
func githubProperty(text string) string { return githubPropertyEscapes.Replace(text) }

// StepSummary appends Markdown to the summary page of a GitHub Actions job; it
// does nothing outside of one.
func (e *Env) StepSummary(markdown string) error {
	path := e.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the job summary: %w", err)
	}
	_, err = io.WriteString(f, terminal.SafeLines(markdown))
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write the job summary: %w", err)
	}
	return nil
}
