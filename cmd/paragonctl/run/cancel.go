package run

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// CancelOptions are what `runs cancel` takes.
type CancelOptions struct {
	env    *command.Env
	ids    []string
	filter filter
	bulk   bulk
	out    output.Flags
}

func newCancel(env *command.Env) *cobra.Command {
	o := &CancelOptions{env: env}
	cmd := &cobra.Command{
		Use:   "cancel [RUN...]",
		Short: "Stop runs, and the requests that they have in flight",
		Long: `Stop runs, and the requests that they have in flight.

Instead of ids a filter selects the runs; their number is shown, and confirmed,
before any is canceled. The server cancels them while the command shows how far it
is, and goes on without it: "paragonctl runs operation" finds it again.`,
		Example: `  paragonctl runs cancel r01jd9q2v5m8x4t7k3n6p0w1e2zz00
  paragonctl runs cancel --workflow lead-sync --status queued,waiting`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: complete.Runs(env, schema.RunQueued, schema.RunRunning, schema.RunWaiting),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ids = args
			switch {
			case len(o.ids) == 0 && o.filter.empty():
				return command.Usage("runs cancel needs the ids of runs, or a filter such as --workflow W --status queued")
			case len(o.ids) > 0 && !o.filter.empty():
				return command.Usage("ids of runs and a filter exclude each other")
			case len(o.ids) > 0 && o.bulk.dryRun:
				return command.Usage("--dry-run counts what a filter selects, and there is none")
			}
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.filter.register(env, cmd)
	o.bulk = bulk{
		env: env, cmd: cmd, filter: &o.filter, out: &o.out, verb: "Cancel", past: "canceled",
		count: func(ctx context.Context, c *api.Client, f api.RunsFilter) (*api.RunsCount, error) {
			return c.CountCancel(ctx, f)
		},
		start: func(ctx context.Context, c *api.Client, f api.RunsFilter) (*api.Operation, error) {
			return c.CancelMany(ctx, f)
		},
	}
	o.bulk.register()
	o.out.Register(cmd)
	return cmd
}

func (o *CancelOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if len(o.ids) == 0 {
		return o.bulk.run(ctx, client)
	}
	return each(o.env, o.ids, func(id string) error {
		run, err := client.Cancel(ctx, id)
		if err != nil {
			return runHint(fmt.Errorf("cancel run %s: %w", id, err))
		}
		note := ""
		if !run.Status.Ended() {
			note = "  is being canceled"
		}
		return printRun(ctx, o.env, &o.out, run, note)
	})
}

// each does something for each id, goes on after an error, and ends with the
// last one; the others are reported on the way.
func each(env *command.Env, ids []string, do func(id string) error) error {
	var last error
	for _, id := range ids {
		if err := do(id); err != nil {
			if last != nil {
				env.Report(last)
			}
			last = err
			if code := command.ExitCode(err); code == command.ExitUnreachable || code == command.ExitInterrupted || code == command.ExitRefused {
				return last
			}
		}
	}
	return last
}

// printRun prints a run as one line for a person.
func printRun(ctx context.Context, env *command.Env, out *output.Flags, run *schema.Run, note string) error {
	if !out.ForPeople() {
		return out.Print(ctx, env.Streams, output.View{Value: run, Names: []string{run.ID}})
	}
	_, err := fmt.Fprintf(env.Out, "run/%s %s%s\n", terminal.Safe(run.ID), env.OutStyle().RunStatus(run.Status), note)
	return err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
