package manifest

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/plan"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// DiffOptions are what `diff` takes.
type DiffOptions struct {
	env    *command.Env
	source source.Flags
	format findingsFormat
	prune  bool
	set    string
	out    output.Flags
}

// NewDiff makes the diff command.
func NewDiff(env *command.Env) *cobra.Command {
	o := &DiffOptions{env: env}
	cmd := &cobra.Command{
		Use:   "diff -f FILE",
		Short: "Show what apply would change",
		Long: `Show what apply would change, as a tree down to the field; secrets by their digests. The exit
code is 0 when nothing differs, 1 when something does, above 1 on an error.

What would be created or deleted is shown in full. --format markdown prints the plan
as a comment for a pull request; --format github writes it to the page of the job, and
findings as annotations.

PARAGONCTL_EXTERNAL_DIFF names a program that shows the differences instead: it is
called with two directories, of what the server has and of what the documents say.`,
		Example: `  paragonctl diff -f workflows/ -R
  paragonctl diff -f workflows/ --set shop --prune
  paragonctl diff -f workflows/ --format markdown > comment.md
  PARAGONCTL_EXTERNAL_DIFF="git diff --no-index" paragonctl diff -f workflows/`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := o.run(cmd.Context())
			// 1 is the answer "differs", so a failure needs another code.
			if _, quiet := err.(*command.Quiet); err != nil && !quiet && command.ExitCode(err) == command.ExitFailure {
				err = &command.Failure{Code: command.ExitUsage, Err: err}
			}
			return err
		},
	}
	o.source.Register(cmd)
	o.format.register(cmd, "markdown")
	cmd.Flags().BoolVar(&o.prune, "prune", false, "also what apply --prune would delete")
	cmd.Flags().StringVar(&o.set, "set", "", "name of what is applied together")
	o.out.Register(cmd)
	return cmd
}

func (o *DiffOptions) run(ctx context.Context) error {
	if o.prune && o.set == "" {
		return command.Usage("--prune needs --set: it is about what the same set applied before")
	}
	if err := o.format.check("markdown"); err != nil {
		return err
	}
	if o.format == "markdown" && !o.out.ForPeople() {
		return command.Usage("--format markdown prints text and can't be had with -o, --jq or --template")
	}
	if err := o.out.Check(); err != nil {
		return err
	}
	set, req, err := request(o.env, &o.source, o.set)
	if err != nil {
		return err
	}
	if err := report(o.env, o.format, "paragonctl diff", set); err != nil {
		return fmt.Errorf("diff: %w", err)
	}
	if onlyTests(set) && !o.prune {
		return o.print(ctx, &api.ApplyResult{DryRun: true, Items: []api.ApplyItem{}})
	}
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	result, err := client.Apply(ctx, *req, api.ApplyOptions{DryRun: true, Prune: o.prune})
	if err != nil {
		return fmt.Errorf("diff: %w", serverFindings(o.env, o.format, err))
	}
	if err := plan.Complete(ctx, client, set, result); err != nil {
		return fmt.Errorf("diff: %w", err)
	}
	if o.format == "github" || o.format == "markdown" {
		if err := o.forReview(result); err != nil {
			return err
		}
	}
	program := o.env.Getenv("PARAGONCTL_EXTERNAL_DIFF")
	switch {
	case o.format == "markdown":
	case o.out.ForPeople() && strings.TrimSpace(program) != "" && result.Changed:
		err = o.external(ctx, program, client, set, result)
	default:
		err = o.print(ctx, result)
	}
	if err != nil {
		return err
	}
	if result.Changed {
		return &command.Quiet{Code: 1}
	}
	return nil
}

// forReview writes the plan for those who read the change: as the text of a
// comment to standard output, or to the page of a GitHub job.
func (o *DiffOptions) forReview(result *api.ApplyResult) error {
	text := plan.Markdown("Paragon plan", result.Items)
	if o.format == "github" {
		return o.env.StepSummary(text)
	}
	_, err := io.WriteString(o.env.Out, terminal.SafeLines(text))
	return err
}

func (o *DiffOptions) print(ctx context.Context, result *api.ApplyResult) error {
	view := output.View{Value: result, Items: []any{}}
	for _, item := range result.Items {
		if item.Action == api.ActionUnchanged {
			continue
		}
		view.Items = append(view.Items, item)
		view.Names = append(view.Names, item.Ref.String())
	}
	view.Text = func(w io.Writer, style terminal.Style) error {
		var b strings.Builder
		plan.Text(&b, style, result.Items)
		_, err := io.WriteString(w, b.String())
		return err
	}
	return o.out.Print(ctx, o.env.Streams, view)
}
