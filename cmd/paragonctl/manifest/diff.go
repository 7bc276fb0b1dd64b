package manifest

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
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

PARAGONCTL_EXTERNAL_DIFF names a program that shows the differences instead: it is
called with two directories, of what the server has and of what the documents say.`,
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
	o.format.register(cmd)
	cmd.Flags().BoolVar(&o.prune, "prune", false, "also what apply --prune would delete")
	cmd.Flags().StringVar(&o.set, "set", "", "name of what is applied together")
	o.out.Register(cmd)
	return cmd
}

func (o *DiffOptions) run(ctx context.Context) error {
	if o.prune && o.set == "" {
		return command.Usage("--prune needs --set: it is about what the same set applied before")
	}
	if err := o.format.check(); err != nil {
		return err
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
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	plan, err := client.Apply(ctx, *req, api.ApplyOptions{DryRun: true, Prune: o.prune})
	if err != nil {
		return fmt.Errorf("diff: %w", serverFindings(o.env, o.format, err))
	}
	program := o.env.Getenv("PARAGONCTL_EXTERNAL_DIFF")
	if o.out.ForPeople() && strings.TrimSpace(program) != "" && plan.Changed {
		err = o.external(ctx, program, client, set, plan)
	} else {
		err = o.print(ctx, plan)
	}
	if err != nil {
		return err
	}
	if plan.Changed {
		return &command.Quiet{Code: 1}
	}
	return nil
}

func (o *DiffOptions) print(ctx context.Context, plan *api.ApplyResult) error {
	view := output.View{Value: plan, Items: []any{}}
	for _, item := range plan.Items {
		if item.Action == api.ActionUnchanged {
			continue
		}
		view.Items = append(view.Items, item)
		view.Names = append(view.Names, item.Ref.String())
	}
	view.Text = func(w io.Writer, style terminal.Style) error {
		var b strings.Builder
		for _, item := range plan.Items {
			if item.Action != api.ActionUnchanged {
				itemText(&b, style, item)
			}
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
	return o.out.Print(ctx, o.env.Streams, view)
}

// itemText writes what changes in one resource.
func itemText(b *strings.Builder, style terminal.Style, item api.ApplyItem) {
	verb := map[api.Action]string{
		api.ActionCreate: "would be created", api.ActionUpdate: "would change", api.ActionDelete: "would be deleted",
	}[item.Action]
	fmt.Fprintf(b, "%s %s", style.Bold(terminal.Safe(item.Ref.String())), verb)
	if item.Revision > 0 {
		fmt.Fprintf(b, " (revision %d)", item.Revision)
	}
	b.WriteByte('\n')
	changeTree(item.Changes).write(b, style, "  ")
}
