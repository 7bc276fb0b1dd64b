package manifest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/schema"
)

// findingsFormat is the --format flag: for whom findings are written.
type findingsFormat string

// register adds the flag to a command that knows more formats, too.
func (f *findingsFormat) register(cmd *cobra.Command, more ...string) {
	usage := "how findings are written: text, or github for annotations in GitHub Actions"
	if len(more) > 0 {
		usage += "; or the plan as " + strings.Join(more, ", ")
	}
	cmd.Flags().StringVar((*string)(f), "format", "text", usage)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(append([]string{"text", "github"}, more...), cobra.ShellCompDirectiveNoFileComp))
}

func (f findingsFormat) check(more ...string) error {
	known := append([]string{"text", "github"}, more...)
	if !slices.Contains(known, string(f)) {
		return command.Usage("--format %s: it is one of %s", string(f), strings.Join(known, ", "))
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
	if len(findings) == 0 {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n| Where | What |\n|---|---|\n", title)
	for _, d := range findings {
		where := d.File
		if d.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", d.File, d.Line, d.Column)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", cell(where), cell(d.Message))
	}
	b.WriteByte('\n')
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
