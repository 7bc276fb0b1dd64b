package manifest

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/schema/api"
)

// NewRelease makes the release group.
func NewRelease(env *command.Env) *cobra.Command {
	return command.NewGroup("release", "List, compare and go back to what was applied with --release",
		newReleaseList(env), newReleaseShow(env), newReleaseCompare(env), newReleaseRollback(env))
}

// ReleaseListOptions are what `release list` takes.
type ReleaseListOptions struct {
	env   *command.Env
	limit int
	out   output.Flags
}

func newReleaseList(env *command.Env) *cobra.Command {
	o := &ReleaseListOptions{env: env}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short:   "List releases, newest first",
		Example: "  paragonctl release list -n 5",
		Args:    command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().IntVarP(&o.limit, "limit", "n", 30, "at most this many")
	o.out.Register(cmd)
	return cmd
}

func (o *ReleaseListOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	list, err := client.Releases(ctx, "", o.limit)
	if err != nil {
		return fmt.Errorf("list releases: %w", err)
	}
	view := output.ListOf(list.Items, func(r api.Release) string { return r.Name })
	g := &output.Grid{Columns: []output.Column{
		{Title: "RELEASE"}, {Title: "WHEN"}, {Title: "BY", Cut: true}, {Title: "COMMIT"}, {Title: "SET", Cut: true}, {Title: "WHAT"},
	}}
	for _, r := range list.Items {
		commit := r.Commit
		g.Rows = append(g.Rows, []string{r.Name, output.Clock(r.CreatedAt), r.CreatedBy, commit[:min(len(commit), 12)], r.Set, tallied(r.Items)})
	}
	view.Table, view.Empty = g, "No releases. `paragonctl apply --release NAME` records one."
	return o.out.Print(ctx, o.env.Streams, view)
}

// tallied says in a few words what a release did.
func tallied(items []api.ReleaseItem) string {
	tally := map[string]int{}
	for _, i := range items {
		tally[output.Applied(i.Action)]++
	}
	return summary(tally)
}

// ReleaseShowOptions are what `release show` takes.
type ReleaseShowOptions struct {
	env  *command.Env
	name string
	out  output.Flags
}

func newReleaseShow(env *command.Env) *cobra.Command {
	o := &ReleaseShowOptions{env: env}
	cmd := &cobra.Command{
		Use:               "show NAME",
		Short:             "Show the resources of a release, and what it did to each",
		Example:           "  paragonctl release show v1.4.0",
		Args:              command.Args(1, 1, "the name of a release"),
		ValidArgsFunction: complete.Releases(env, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	return cmd
}

func (o *ReleaseShowOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	r, err := client.Release(ctx, o.name)
	if err != nil {
		return releaseHint(fmt.Errorf("show release %s: %w", o.name, err))
	}
	view := output.View{Value: r, Items: []any{}}
	g := &output.Grid{Columns: []output.Column{{Title: "RESOURCE"}, {Title: "REVISION"}, {Title: "BEFORE"}, {Title: "WHAT"}}}
	for _, i := range r.Items {
		view.Items = append(view.Items, i)
		view.Names = append(view.Names, i.Ref.String())
		before := ""
		if i.Before > 0 {
			before = fmt.Sprint(i.Before)
		}
		g.Rows = append(g.Rows, []string{i.Ref.String(), fmt.Sprint(i.Revision), before, output.Applied(i.Action)})
	}
	view.Table, view.Empty = g, "The release has no resources."
	return o.out.Print(ctx, o.env.Streams, view)
}

// releaseHint adds what to do about a release that is not there.
func releaseHint(err error) error {
	if command.ExitCode(err) == command.ExitNotFound {
		return command.WithTry(err, "`paragonctl release list` lists them")
	}
	return err
}

// ReleaseCompareOptions are what `release compare` takes.
type ReleaseCompareOptions struct {
	env      *command.Env
	name, to string
	out      output.Flags
}

func newReleaseCompare(env *command.Env) *cobra.Command {
	o := &ReleaseCompareOptions{env: env}
	cmd := &cobra.Command{
		Use:   "compare NAME [OTHER]",
		Short: "Show what differs from a release to another, or to what is current",
		Example: "  paragonctl release compare v1.3.0 v1.4.0\n" +
			"  paragonctl release compare v1.4.0",
		Args:              command.Args(1, 2, "one or two names of releases"),
		ValidArgsFunction: complete.Releases(env, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			if len(args) == 2 {
				o.to = args[1]
			}
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	return cmd
}

func (o *ReleaseCompareOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	found, err := client.CompareReleases(ctx, o.name, o.to)
	if err != nil {
		return releaseHint(fmt.Errorf("compare release %s: %w", o.name, err))
	}
	return PrintComparison(ctx, o.env, &o.out, found)
}

// ReleaseRollbackOptions are what `release rollback` takes.
type ReleaseRollbackOptions struct {
	env    *command.Env
	cmd    *cobra.Command
	name   string
	dryRun bool
	yes    bool
	out    output.Flags
}

func newReleaseRollback(env *command.Env) *cobra.Command {
	o := &ReleaseRollbackOptions{env: env}
	cmd := &cobra.Command{
		Use:   "rollback NAME",
		Short: "Bring the resources of a release back to what it had",
		Long: `Bring the resources of a release back to the revisions that it had, all of them or
none, as new revisions. What its set holds beyond them is deleted. Secrets keep their
current value; one that is gone comes back.`,
		Example: `  paragonctl release rollback v1.3.0 --dry-run
  paragonctl release rollback v1.3.0 --yes`,
		Args:              command.Args(1, 1, "the name of a release"),
		ValidArgsFunction: complete.Releases(env, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.name = cmd, args[0]
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only show what would be done")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "don't ask")
	o.out.Register(cmd)
	return cmd
}

func (o *ReleaseRollbackOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if !o.dryRun {
		if err := o.env.Confirmed(o.cmd, o.yes, fmt.Sprintf("Roll back to release %s?", o.name)); err != nil {
			return err
		}
	}
	result, err := client.RollbackRelease(ctx, o.name, api.ApplyOptions{DryRun: o.dryRun})
	if err != nil {
		return releaseHint(fmt.Errorf("roll back to release %s: %w", o.name, err))
	}
	return printResult(ctx, o.env, &o.out, "", result)
}
