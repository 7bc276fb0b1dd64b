package top

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/schema"
	"paragon/schema/api"
)

// every is the pause between two looks.
const every = time.Second

// Options are what `top` takes.
type Options struct {
	env      *command.Env
	out      output.Flags
	once     bool
	window   time.Duration
	workflow string
}

// New makes the command.
func New(env *command.Env) *cobra.Command {
	o := &Options{env: env}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show live numbers: runs by workflow, latency, queues, workers",
		Long: `Show how many runs of each workflow started, succeeded and failed, how many attempts
were retries, how long runs took and waited, what waits in the queues, and the workers.

On a terminal the table is drawn anew every second until ^C. Elsewhere, and with
--once, it is printed once; -o jsonl without --once prints a line every second.`,
		Example: `  paragonctl top
  paragonctl top --once --window 1h
  paragonctl top -o jsonl | jq .total.failed`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.Check(); err != nil {
				return err
			}
			if o.window < time.Second || o.window > 7*24*time.Hour {
				return command.Usage("--window %s: numbers are kept for a week; give 1s to 168h", o.window)
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&o.once, "once", false, "print once and end")
	flags.DurationVar(&o.window, "window", time.Minute, "how far back to count")
	flags.StringVarP(&o.workflow, "workflow", "w", "", "only this workflow")
	// The name is a constant, so registering can't fail.
	_ = cmd.RegisterFlagCompletionFunc("workflow", func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return complete.Names(cmd.Context(), env, schema.KindWorkflow), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func (o *Options) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	live := o.out.ForPeople() && o.env.OutTTY
	again := !o.once && (live || o.out.Format == output.JSONL)
	screen := &screen{env: o.env}
	for {
		stats, err := client.Stats(ctx, api.StatsQuery{Window: o.window, Workflow: o.workflow})
		if err != nil {
			return fmt.Errorf("read statistics: %w", err)
		}
		if live && again {
			err = screen.show(ctx, o, stats)
		} else {
			err = o.print(ctx, o.env.Streams, stats)
		}
		if err != nil || !again {
			return err
		}
		timer := time.NewTimer(every)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}
