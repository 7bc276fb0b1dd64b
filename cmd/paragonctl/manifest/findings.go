package manifest

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/schema"
)

// findingsFormat is the --format flag: for whom findings are written.
type findingsFormat string

func (f *findingsFormat) register(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(f), "format", "text", "how findings are written: text, or github for annotations in GitHub Actions")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "github"}, cobra.ShellCompDirectiveNoFileComp))
}

func (f findingsFormat) check() error {
	if f != "text" && f != "github" {
		return command.Usage("--format %s: it is text or github", string(f))
	}
	return nil
}

// github writes the findings for GitHub Actions, to the stream that it reads
// them from and to the page of the job.
func (f findingsFormat) github(env *command.Env, title string, findings []schema.Diagnostic) error {
	if f != "github" {
		return nil
	}
	command.WriteGitHub(env.Out, findings)
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", title)
	if len(findings) > 0 {
		b.WriteString("| Where | What |\n|---|---|\n")
		for _, d := range findings {
			where := d.File
			if d.Line > 0 {
				where = fmt.Sprintf("%s:%d:%d", d.File, d.Line, d.Column)
			}
			fmt.Fprintf(&b, "| %s | %s |\n", cell(where), cell(d.Message))
		}
		b.WriteByte('\n')
	}
	return env.StepSummary(b.String())
}

var cellEscapes = strings.NewReplacer("|", `\|`, "\r", " ", "\n", " ", "<", "&lt;", "`", "\\`")

func cell(text string) string { return cellEscapes.Replace(text) }

// report says what the check found: warnings as they are, errors as the error
// of the command.
func report(env *command.Env, format findingsFormat, title string, set *source.Set) error {
	if err := format.github(env, title, set.Findings); err != nil {
		return err
	}
	if !set.Valid() {
		return set.Invalid()
	}
	if format != "github" {
		command.WriteDiagnostics(env.Err, env.ErrStyle(), set.Findings)
	}
	return nil
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
