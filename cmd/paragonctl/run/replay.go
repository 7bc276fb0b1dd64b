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
	ids     []string
	filter  filter
	from    string
	wait    bool
	timeout command.Duration
	bulk    bulk
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
before any starts. The server then replays them one after the other, with low
priority, while the command shows how far it is. It goes on without the command:
"paragonctl runs operation" finds it again.`,
		Example: `  paragonctl runs replay r01jd9q2v5m8x4t7k3n6p0w1e2zz00 --from lookup --wait
  paragonctl runs replay --workflow lead-sync --status failed --since 1h --error "status 503"
  paragonctl runs replay --status failed --since 1d --yes --background -o name`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: complete.Runs(env, schema.RunFailed, schema.RunCanceled, schema.RunSucceeded),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ids = args
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
	o.bulk = bulk{
		env: env, cmd: cmd, filter: &o.filter, out: &o.out, verb: "Replay", past: "replayed",
		count: func(ctx context.Context, c *api.Client, f api.RunsFilter) (*api.RunsCount, error) {
			return c.CountReplay(ctx, f)
		},
		start: func(ctx context.Context, c *api.Client, f api.RunsFilter) (*api.Operation, error) {
			return c.ReplayMany(ctx, f, o.from)
		},
	}
	o.bulk.register()
	o.out.Register(cmd)
	return cmd
}

func (o *ReplayOptions) check() error {
	switch {
	case len(o.ids) == 0 && o.filter.empty():
		return command.Usage("runs replay needs the ids of runs, or a filter such as --workflow W --status failed --since 1h")
	case len(o.ids) > 0 && !o.filter.empty():
		return command.Usage("ids of runs and a filter exclude each other")
	case len(o.ids) > 0 && o.bulk.dryRun:
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
		return o.bulk.run(ctx, client)
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
