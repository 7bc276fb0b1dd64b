package run

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// NewEvent makes the event group.
func NewEvent(env *command.Env) *cobra.Command {
	return command.NewGroup("event", "Send events that start runs and let waiting ones go on", newEventSend(env))
}

// EventSendOptions are what `event send` takes.
type EventSendOptions struct {
	env  *command.Env
	name string
	data string
	id   string
	user string
	out  output.Flags
}

func newEventSend(env *command.Env) *cobra.Command {
	o := &EventSendOptions{env: env}
	cmd := &cobra.Command{
		Use:   "send NAME",
		Short: "Send an event",
		Long: `Send an event: it starts a run of each workflow with an event trigger of the name, and is
shown to the runs that wait for it. A second event with the same --id changes nothing.`,
		Example: `  paragonctl event send user.created --data '{"email": "ada@example.com"}'
  paragonctl event send order.paid --data @order.json --id order-17
  paragonctl event send contact.changed --user u_17 --data @contact.json
  paragonctl event send order.paid --data @order.json --jq '.started[]'`,
		Args:              command.Args(1, 1, "the name of an event"),
		ValidArgsFunction: completeEvents(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVarP(&o.data, "data", "d", "", "what happened: JSON, @FILE, or - for standard input")
	cmd.Flags().StringVar(&o.id, "id", "", "id of the event; a second one with the same id changes nothing")
	cmd.Flags().StringVarP(&o.user, "user", "u", "", "the user whom the event is for: workflows with users start for this one alone")
	o.out.Register(cmd)
	return cmd
}

func (o *EventSendOptions) run(ctx context.Context) error {
	data, err := readJSON(o.env, "--data", o.data)
	if err != nil {
		return err
	}
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	result, err := client.SendEvent(ctx, api.EventRequest{Name: o.name, ID: o.id, Data: data, User: o.user})
	if err != nil {
		return fmt.Errorf("send event %s: %w", o.name, err)
	}
	view := output.View{Value: result, Names: result.Started}
	view.Text = func(w io.Writer, style terminal.Style) error {
		fmt.Fprintf(w, "event/%s sent\n", terminal.Safe(result.ID))
		for _, id := range result.Started {
			fmt.Fprintf(w, "run/%s %s\n", terminal.Safe(id), style.Good("started"))
		}
		for _, id := range result.Told {
			fmt.Fprintf(w, "run/%s %s\n", terminal.Safe(id), style.Active("told"))
		}
		if len(result.Started)+len(result.Told) == 0 {
			fmt.Fprintln(o.env.Err, "No workflow starts by this event, and no run waits for it.")
		}
		return nil
	}
	return o.out.Print(ctx, o.env.Streams, view)
}

// completeEvents completes the names of the events that workflows start by.
func completeEvents(env *command.Env) func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for _, item := range complete.Stored(cmd.Context(), env, schema.KindWorkflow) {
			var spec schema.WorkflowSpec
			if json.Unmarshal(item.Spec, &spec) != nil {
				continue
			}
			for _, trigger := range spec.Triggers {
				if trigger.Event != nil {
					names = append(names, trigger.Event.Name)
				}
			}
		}
		slices.Sort(names)
		return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
	}
}
