package resource

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/cmd/paragonctl/manifest"
	"paragon/schema"
	"paragon/schema/api"
)

// HistoryOptions are what `history` takes.
type HistoryOptions struct {
	env   *command.Env
	ref   schema.Ref
	limit int
	// diff is FROM..TO, two revisions to compare instead.
	diff string
	out  output.Flags
}

// NewHistory makes the history command.
func NewHistory(env *command.Env) *cobra.Command {
	o := &HistoryOptions{env: env}
	cmd := &cobra.Command{
		Use:   "history KIND NAME",
		Short: "List the revisions of a resource, newest first, or compare two",
		Example: "  paragonctl history workflow lead-sync\n" +
			"  paragonctl history workflow lead-sync --diff 3..7\n" +
			"  paragonctl history workflow lead-sync --diff 3    # to the current one",
		Args:              command.Args(1, 2, "a kind and a name"),
		ValidArgsFunction: completeRef(env),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.ref, err = parseRef(args); err != nil {
				return err
			}
			if err := o.out.Check(); err != nil {
				return err
			}
			if o.diff != "" {
				return o.compare(cmd.Context())
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().IntVarP(&o.limit, "limit", "n", 30, "at most this many")
	cmd.Flags().StringVar(&o.diff, "diff", "", "show what differs between two revisions: FROM..TO, or FROM and the current one")
	o.out.Register(cmd)
	return cmd
}

// compare shows what differs between two revisions.
func (o *HistoryOptions) compare(ctx context.Context) error {
	first, second, _ := strings.Cut(o.diff, "..")
	from, err := strconv.ParseInt(first, 10, 64)
	to := int64(0)
	if err == nil && second != "" {
		to, err = strconv.ParseInt(second, 10, 64)
	}
	if err != nil || from < 1 || to < 0 {
		return command.Usage("--diff %s: write two revisions like 3..7, or one", o.diff)
	}
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	found, err := client.CompareRevisions(ctx, o.ref, from, to)
	if err != nil {
		return hint(o.ref, fmt.Errorf("compare revisions of %s: %w", o.ref, err))
	}
	return manifest.PrintComparison(ctx, o.env, &o.out, found)
}

func (o *HistoryOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	list, err := client.Revisions(ctx, o.ref, "", o.limit)
	if err != nil {
		return hint(o.ref, fmt.Errorf("history of %s: %w", o.ref, err))
	}
	view := output.ListOf(list.Items, func(r api.StoredResource) string { return fmt.Sprint(r.Status.Revision) })
	g := &output.Grid{Columns: []output.Column{
		{Title: "REVISION"}, {Title: "WHEN"}, {Title: "BY", Cut: true}, {Title: "WHAT"},
		{Title: "SOURCE", Wide: true}, {Title: "DIGEST", Wide: true},
	}}
	for _, r := range list.Items {
		what := "written"
		if r.Status.Deleted {
			what = "deleted"
		}
		g.Rows = append(g.Rows, []string{
			fmt.Sprint(r.Status.Revision), output.Clock(r.Status.UpdatedAt), r.Status.UpdatedBy, what,
			r.Status.Source, shortDigest(r.Status.Digest),
		})
	}
	view.Table = g
	view.Empty = "No revisions."
	return o.out.Print(ctx, o.env.Streams, view)
}

// RollbackOptions are what `rollback` takes.
type RollbackOptions struct {
	env *command.Env
	cmd *cobra.Command
	ref schema.Ref
	to  int64
	yes bool
	out output.Flags
}

// NewRollback makes the rollback command.
func NewRollback(env *command.Env) *cobra.Command {
	o := &RollbackOptions{env: env}
	cmd := &cobra.Command{
		Use:   "rollback KIND NAME",
		Short: "Write an earlier revision of a resource again",
		Long: `Write an earlier revision of a resource again, as a new revision: the one before
the current, or the one that --to names. "history" lists them.`,
		Example: `  paragonctl rollback workflow lead-sync
  paragonctl rollback workflow lead-sync --to 3 --yes`,
		Args:              command.Args(1, 2, "a kind and a name"),
		ValidArgsFunction: completeRef(env),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.cmd = cmd
			if o.ref, err = parseRef(args); err != nil {
				return err
			}
			if o.to < 0 {
				return command.Usage("--to %d: revisions count from 1", o.to)
			}
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().Int64Var(&o.to, "to", 0, "the revision to go back to (default: the one before)")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "don't ask")
	o.out.Register(cmd)
	return cmd
}

func (o *RollbackOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	target := "the revision before"
	if o.to > 0 {
		target = fmt.Sprintf("revision %d", o.to)
	}
	if err := o.env.Confirmed(o.cmd, o.yes, fmt.Sprintf("Roll %s back to %s?", o.ref, target)); err != nil {
		return err
	}
	r, err := client.Rollback(ctx, o.ref, o.to)
	if err != nil {
		return hint(o.ref, fmt.Errorf("roll %s back: %w", o.ref, err))
	}
	if !o.out.ForPeople() {
		return o.out.Print(ctx, o.env.Streams, output.View{Value: r, Names: []string{o.ref.String()}})
	}
	_, err = fmt.Fprintf(o.env.Out, "%s rolled back to %s (now revision %d)\n", terminal.Safe(o.ref.String()), target, r.Status.Revision)
	return err
}
