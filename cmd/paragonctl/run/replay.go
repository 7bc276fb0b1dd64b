package run

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// ReplayOptions are what `runs replay` takes.
type ReplayOptions struct {
	env     *command.Env
	cmd     *cobra.Command
	ids     []string
	filter  filter
	from    string
	wait    bool
	timeout command.Duration
	dryRun  bool
	yes     bool
	out     output.Flags
}

func newReplay(env *command.Env) *cobra.Command {
	o := &ReplayOptions{env: env}
	cmd := &cobra.Command{
		Use:   "replay [RUN...]",
		Short: "Start new runs with the input of earlier ones",
		Long: `Start new runs with the input of earlier ones: from the start, or with --from
from a step, with the earlier results of the steps before it.

Instead of ids a filter selects the runs; their number is shown, and confirmed,
before any starts.`,
		Example: `  paragonctl runs replay r01jd9q2v5m8x4t7k3n6p0w1e2zz00 --from lookup --wait
  paragonctl runs replay --workflow lead-sync --status failed --since 1h --error "status 503"`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: complete.Runs(env, schema.RunFailed, schema.RunCanceled, schema.RunSucceeded),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.ids = cmd, args
			if err := o.check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.filter.register(env, cmd)
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "start from the step of this id")
	f.BoolVar(&o.wait, "wait", false, "wait until the new run has ended and print its output")
	f.Var(&o.timeout, "timeout", "stop waiting after this time, with exit code 7")
	f.BoolVar(&o.dryRun, "dry-run", false, "only count the runs that the filter selects")
	f.BoolVar(&o.yes, "yes", false, "don't ask")
	o.out.Register(cmd)
	return cmd
}

func (o *ReplayOptions) check() error {
	switch {
	case len(o.ids) == 0 && o.filter.empty():
		return command.Usage("runs replay needs the ids of runs, or a filter such as --workflow W --status failed --since 1h")
	case len(o.ids) > 0 && !o.filter.empty():
		return command.Usage("ids of runs and a filter exclude each other")
	case len(o.ids) > 0 && o.dryRun:
		return command.Usage("--dry-run counts what a filter selects, and there is none")
	case len(o.ids) != 1 && o.wait:
		return command.Usage("--wait waits for one run")
	case o.timeout != 0 && !o.wait:
		return command.Usage("--timeout bounds --wait, which is not there")
	}
	return o.out.Check()
}

func (o *ReplayOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if len(o.ids) == 0 {
		return o.many(ctx, client)
	}
	return each(o.env, o.ids, func(id string) error {
		run, err := client.Replay(ctx, id, api.ReplayRequest{From: o.from})
		if err != nil {
			return runHint(fmt.Errorf("replay run %s: %w", id, err))
		}
		if !o.wait {
			return printRun(ctx, o.env, &o.out, run, "  replays "+terminal.Safe(id))
		}
		ended, err := waitFor(ctx, o.env, client, run, waiting{timeout: time.Duration(o.timeout), live: true})
		if err != nil {
			return err
		}
		if err := o.out.Print(ctx, o.env.Streams, resultView(ended)); err != nil {
			return err
		}
		return outcome(ended)
	})
}

// many replays what the filter selects, after the number was seen.
func (o *ReplayOptions) many(ctx context.Context, client *api.Client) error {
	q, err := o.filter.query(o.env)
	if err != nil {
		return err
	}
	req := api.BulkReplayRequest{
		Workflow: q.Workflow, Status: q.Status, Since: q.Since, Until: q.Until, Error: q.Error,
		From: o.from, DryRun: true,
	}
	if req.Until.IsZero() {
		// What is confirmed is what exists now; the new runs, which the filter
		// may select too, are not.
		req.Until = o.env.Now()
	}
	count, err := client.ReplayMany(ctx, req)
	if err != nil {
		return fmt.Errorf("count the runs to replay: %w", err)
	}
	if o.dryRun || count.Matched == 0 {
		return o.printMany(ctx, count, fmt.Sprintf("%d runs match; none was replayed\n", count.Matched))
	}
	if err := o.env.Confirmed(o.cmd, o.yes, fmt.Sprintf("Replay %d runs?", count.Matched)); err != nil {
		return err
	}
	req.DryRun = false
	result, err := client.ReplayMany(ctx, req)
	if err != nil {
		return fmt.Errorf("replay %d runs: %w", count.Matched, err)
	}
	return o.printMany(ctx, result, fmt.Sprintf("%d runs replayed\n", len(result.Runs)))
}

func (o *ReplayOptions) printMany(ctx context.Context, result *api.BulkReplayResult, text string) error {
	if o.out.ForPeople() {
		_, err := fmt.Fprint(o.env.Out, text)
		return err
	}
	return o.out.Print(ctx, o.env.Streams, output.View{Value: result, Names: result.Runs})
}
