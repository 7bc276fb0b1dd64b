package tests

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/workflows/trial"
)

// Report is the answer of test.
type Report struct {
	Results []*trial.Result `json:"results"`
	Passed  int             `json:"passed"`
	Failed  int             `json:"failed"`
	// Took is how long all of it took on this machine.
	Took     schema.Duration `json:"took"`
	Coverage *Coverage       `json:"coverage,omitempty"`
}

// Coverage is what of the workflows ran.
type Coverage struct {
	Workflows []trial.Coverage `json:"workflows"`
	// Percent is that of all steps and branches together.
	Percent float64 `json:"percent"`
	// Enough tells whether it is as much as --coverage-min wants.
	Enough bool `json:"enough"`
}

func (r *Report) finish(took time.Duration) {
	r.Took = schema.Duration(took.Round(100 * time.Microsecond))
	for _, result := range r.Results {
		if result.Passed {
			r.Passed++
		} else {
			r.Failed++
		}
	}
}

func (r *Report) cover(suite *trial.Suite, least float64) {
	c := &Coverage{Workflows: suite.Cover(r.Results)}
	c.Percent = trial.Percent(c.Workflows...)
	c.Enough = c.Percent >= least
	r.Coverage = c
}

// text writes the report for a person.
func (r *Report) text(w io.Writer, style terminal.Style, verbose bool) error {
	var b strings.Builder
	type document struct{ file, name string }
	var last document
	passed := 0
	flush := func() {
		if passed > 0 {
			fmt.Fprintf(&b, "%s %s %s\n", style.Good("✓"), terminal.Safe(last.name), style.Dim(fmt.Sprintf("%s, %s", count(passed, "case"), terminal.Safe(last.file))))
		}
		passed = 0
	}
	for _, result := range r.Results {
		if d := (document{result.File, result.Test}); d != last {
			flush()
			last = d
		}
		switch {
		case !result.Passed:
			flush()
			fmt.Fprintf(&b, "%s %s\n", style.Bad("✗"), style.Bold(terminal.Safe(result.Name())))
			for _, f := range result.Failures {
				failure(&b, style, f)
			}
			if verbose {
				story(&b, style, result)
			}
		case verbose:
			fmt.Fprintf(&b, "%s %s %s\n", style.Good("✓"), terminal.Safe(result.Name()), style.Dim(fmt.Sprintf("%s in %s", result.Status, result.Duration)))
			story(&b, style, result)
		default:
			passed++
		}
	}
	flush()
	if r.Coverage != nil {
		r.Coverage.text(&b, style)
	}
	fmt.Fprintf(&b, "%s\n", r.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) summary() string {
	s := fmt.Sprintf("%d passed", r.Passed)
	if r.Failed > 0 {
		s += fmt.Sprintf(", %d failed", r.Failed)
	}
	return s + " in " + r.Took.String()
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// failure writes one failure: where, what, and the difference.
func failure(b *strings.Builder, style terminal.Style, f trial.Failure) {
	var inner strings.Builder
	d := f.Diagnostic
	many := strings.Contains(f.Want+f.Got, "\n")
	command.WriteDiagnostics(&inner, style, []schema.Diagnostic{d})
	for line := range strings.Lines(inner.String()) {
		b.WriteString("  " + line)
	}
	if many {
		for line := range strings.Lines(difference(style, f)) {
			b.WriteString("      " + line)
		}
	}
}

// difference is how what was found differs from what was wanted, line by line.
func difference(style terminal.Style, f trial.Failure) string {
	text := string(diff.Diff("wanted", []byte(lined(f.Want)), "got", []byte(lined(f.Got))))
	var b strings.Builder
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "diff "), strings.HasPrefix(line, "@@"):
			continue
		case strings.HasPrefix(line, "--- "):
			line = "- wanted\n"
			fallthrough
		case strings.HasPrefix(line, "-"):
			line = style.Notice(terminal.Safe(strings.TrimSuffix(line, "\n"))) + "\n"
		case strings.HasPrefix(line, "+++ "):
			line = "+ got\n"
			fallthrough
		case strings.HasPrefix(line, "+"):
			line = style.Good(terminal.Safe(strings.TrimSuffix(line, "\n"))) + "\n"
		default:
			line = style.Dim(terminal.Safe(strings.TrimSuffix(line, "\n"))) + "\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

func lined(text string) string {
	if strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}

// story writes what a case did, step by step.
func story(b *strings.Builder, style terminal.Style, r *trial.Result) {
	for _, s := range r.Steps {
		line := fmt.Sprintf("    %10s  %s %s", s.Started, style.StepStatus(s.Status), terminal.Safe(s.Path))
		if len(s.Attempts) > 1 {
			line += style.Dim(fmt.Sprintf(" (%s)", count(len(s.Attempts), "attempt")))
		}
		if s.Error != nil {
			line += style.Dim(": " + terminal.Safe(s.Error.Message))
		}
		b.WriteString(line + "\n")
		for _, q := range r.Requests {
			if q.Step == s.Path && q.Workflow == r.Workflow {
				status := "no answer"
				if q.Status != 0 {
					status = fmt.Sprint(q.Status)
				}
				fmt.Fprintf(b, "    %10s    %s\n", q.At, style.Dim(terminal.Safe(fmt.Sprintf("%s %s: %s", q.Method, q.URL, status))))
			}
		}
	}
}

// markdown is the report for the page of a job.
func (r *Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### paragonctl test: %s\n\n", r.summary())
	if r.Failed > 0 {
		b.WriteString("| Case | Where | What |\n|---|---|---|\n")
		for _, result := range r.Results {
			for _, f := range result.Failures {
				message, _, _ := strings.Cut(f.Message, "\n")
				fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(result.Name()), cell(fmt.Sprintf("%s:%d", f.File, f.Line)), cell(message))
			}
		}
		b.WriteByte('\n')
	}
	if r.Coverage != nil {
		b.WriteString("| Workflow | Covered | Missing |\n|---|---|---|\n")
		for _, c := range r.Coverage.Workflows {
			fmt.Fprintf(&b, "| %s | %.0f %% | %s |\n", cell(c.Workflow), trial.Percent(c), cell(strings.Join(c.Missing(), ", ")))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

var cellEscapes = strings.NewReplacer("|", `\|`, "\r", " ", "\n", " ", "<", "&lt;", "`", "\\`")

func cell(text string) string { return cellEscapes.Replace(text) }

func (c *Coverage) text(b *strings.Builder, style terminal.Style) {
	b.WriteString(style.Bold("Coverage") + "\n")
	for _, w := range c.Workflows {
		fmt.Fprintf(b, "  %5.1f %%  %s  %s\n", trial.Percent(w), terminal.Safe(w.Workflow),
			style.Dim(fmt.Sprintf("%d of %s, %d of %s", w.Steps.Ran, count(w.Steps.All, "step"), w.Branches.Ran, branches(w.Branches.All))))
		for _, m := range w.Missing() {
			b.WriteString("           " + style.Notice("missing "+terminal.Safe(m)) + "\n")
		}
	}
	total := fmt.Sprintf("  %5.1f %%  in all", c.Percent)
	if !c.Enough {
		total = style.Bad(total + ", less than is wanted")
	}
	b.WriteString(total + "\n")
}

func branches(n int) string {
	if n == 1 {
		return "1 branch"
	}
	return fmt.Sprintf("%d branches", n)
}
