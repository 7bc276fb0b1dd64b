package queue

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/schema"
	"paragon/schema/api"
)

// verb is pause or resume.
type verb struct {
	name, past, short, long, example string
	queue, workflow                  func(*api.Client, context.Context, string) error
}

var pause = verb{
	name: "pause", past: "paused", short: "Hold what waits in queues, or the runs of workflows that have not begun",
	long: `Keep workers from taking runs from a queue, or with --workflow hold the runs of a
workflow that have not begun. Runs are accepted as before and wait; those that
have begun go on. It lasts until "queue resume", also over restarts.`,
	example: `  paragonctl queue pause 0/low
  paragonctl queue pause --workflow lead-sync`,
	queue: (*api.Client).PauseQueue, workflow: (*api.Client).PauseWorkflow,
}

var resume = verb{
	name: "resume", past: "resumed", short: "Let paused queues and workflows go on",
	long: `Let workers take runs from a paused queue again, or with --workflow let the held
runs of a workflow go. To resume what is not paused is no error.`,
	example: `  paragonctl queue resume 0/low
  paragonctl queue resume --workflow lead-sync`,
	queue: (*api.Client).ResumeQueue, workflow: (*api.Client).ResumeWorkflow,
}

// SteerOptions are what `queue pause` and `queue resume` take.
type SteerOptions struct {
	env       *command.Env
	verb      verb
	queues    []string
	workflows []string
	out       output.Flags
}

func newSteer(env *command.Env, v verb) *cobra.Command {
	o := &SteerOptions{env: env, verb: v}
	cmd := &cobra.Command{
		Use:               v.name + " [QUEUE...] [--workflow NAME]",
		Short:             v.short,
		Long:              v.long,
		Example:           v.example,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: complete.Queues(env, v.name == resume.name),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.queues = args
			if err := o.out.Check(); err != nil {
				return err
			}
			if len(args) == 0 && len(o.workflows) == 0 {
				return command.Usage("queue %s needs the name of a queue, as in 0/high, or --workflow", v.name)
			}
			for _, name := range args {
				if strings.Count(name, "/") != 1 {
					return command.Usage("queue %q: a queue is a lane and a priority, as in 0/high; `paragonctl queue list` lists them", name)
				}
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringSliceVarP(&o.workflows, "workflow", "w", nil, "the name of a workflow")
	o.out.Register(cmd)
	// The name is a constant, so registering can't fail.
	_ = cmd.RegisterFlagCompletionFunc("workflow", func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return complete.Names(cmd.Context(), env, schema.KindWorkflow), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func (o *SteerOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	var done []output.Did
	each := func(kind string, names []string, do func(*api.Client, context.Context, string) error) error {
		for _, name := range names {
			if err := do(client, ctx, name); err != nil {
				return fmt.Errorf("%s %s %s: %w", o.verb.name, kind, name, err)
			}
			done = append(done, output.Did{Resource: kind + "/" + name, Action: o.verb.past})
		}
		return nil
	}
	err = each("queue", o.queues, o.verb.queue)
	if err == nil {
		err = each("workflow", o.workflows, o.verb.workflow)
	}
	return o.out.PrintDone(ctx, o.env.Streams, done, err)
}
