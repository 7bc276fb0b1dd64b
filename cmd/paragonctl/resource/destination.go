package resource

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/noun"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// NewDestination makes the destination group. What it does not have, diff,
// history, edit, delete and the others do with destinations as with every
// resource.
func NewDestination(env *command.Env) *cobra.Command {
	cmd := command.NewGroup("destination", "List, test and resume the destinations that are told of failures",
		newDestinationList(env), newDestinationGet(env), newDeliveries(env), newDestinationResume(env), newDestinationTest(env))
	cmd.Aliases = []string{"destinations"}
	return cmd
}

func newDestinationList(env *command.Env) *cobra.Command {
	return noun.List[api.Destination]{
		Short: "List destinations: whether messages arrive, and how many events wait",
		Example: `  paragonctl destination list
  paragonctl destination list --jq '.items[] | select(.state == "disabled") | .name'`,
		Empty: "No destinations.",
		Items: noun.All("destinations", func(ctx context.Context, c *api.Client, _ string) (*api.List[api.Destination], error) {
			return c.Destinations(ctx)
		}),
		Name: func(d api.Destination) string { return d.Name },
		Columns: []output.Column{
			{Title: "NAME"}, {Title: "KIND"}, {Title: "STATE"}, {Title: "WAITING"}, {Title: "LAST MESSAGE"}, {Title: "WHY", Cut: true},
		},
		Row: func(d api.Destination) []string {
			last, why := "-", d.Reason
			if d.Last != nil {
				last, why = d.Last.State+" "+output.Age(env.Now(), d.Last.CreatedAt)+" ago", cmp.Or(why, d.Last.Error)
			}
			return []string{d.Name, d.Kind, d.State, fmt.Sprint(d.Waiting), last, why}
		},
	}.Command(env)
}

func newDestinationGet(env *command.Env) *cobra.Command {
	o := &GetOptions{env: env, kind: schema.KindDestination}
	cmd := &cobra.Command{
		Use:               "get NAME...",
		Short:             "Show destinations",
		Example:           `  paragonctl destination get on-call -o yaml`,
		Args:              command.Args(1, -1, "a destination's name"),
		ValidArgsFunction: complete.All(env, schema.KindDestination),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				o.refs = append(o.refs, schema.Ref{Kind: schema.KindDestination, Name: name})
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

func newDeliveries(env *command.Env) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use:   "deliveries NAME",
		Short: "List the latest messages to a destination, and what came of each",
		Example: `  paragonctl destination deliveries on-call
  paragonctl destination deliveries on-call --jq '.items[] | select(.state == "pending") | .error'`,
		Args:              command.Args(1, 1, "a destination's name"),
		ValidArgsFunction: complete.Resources(env, schema.KindDestination),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			return listDeliveries(cmd.Context(), env, &out, args[0])
		},
	}
	out.Register(cmd)
	return cmd
}

func listDeliveries(ctx context.Context, env *command.Env, out *output.Flags, name string) error {
	client, err := env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	list, err := client.Deliveries(ctx, name)
	if err != nil {
		return fmt.Errorf("list the messages to destination %s: %w", name, err)
	}
	view := output.ListOf(list.Items, func(d api.Delivery) string { return d.ID })
	view.Table, view.Empty = deliveryGrid(env, list.Items), "No message was sent yet."
	return out.Print(ctx, env.Streams, view)
}

func deliveryGrid(env *command.Env, items []api.Delivery) *output.Grid {
	g := &output.Grid{Columns: []output.Column{
		{Title: "ID"}, {Title: "STATE"}, {Title: "EVENTS"}, {Title: "ATTEMPTS"}, {Title: "MADE"}, {Title: "NEXT"}, {Title: "ERROR", Cut: true},
	}}
	for _, d := range items {
		events, next := fmt.Sprint(d.Events), "-"
		if d.Test {
			events = "test"
		}
		if !d.NextAttempt.IsZero() && d.State == api.DeliveryPending {
			next = output.Clock(d.NextAttempt)
		}
		g.Rows = append(g.Rows, []string{d.ID, d.State, events, fmt.Sprint(d.Attempts), output.Age(env.Now(), d.CreatedAt), next, d.Error})
	}
	return g
}

func newDestinationResume(env *command.Env) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use:   "resume NAME...",
		Short: "Try destinations at once, also those that were disabled",
		Long: `Try destinations at once: those that were disabled because nothing arrived for days,
and those whose message waits for its next attempt. What happened meanwhile is
told in one message.`,
		Example:           `  paragonctl destination resume on-call`,
		Args:              command.Args(1, -1, "a destination's name"),
		ValidArgsFunction: complete.All(env, schema.KindDestination),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			return resumeDestinations(cmd.Context(), env, &out, args)
		},
	}
	out.Register(cmd)
	return cmd
}

func resumeDestinations(ctx context.Context, env *command.Env, out *output.Flags, names []string) error {
	client, err := env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	var done []output.Did
	for _, name := range names {
		if err = client.ResumeDestination(ctx, name); err != nil {
			err = fmt.Errorf("resume destination %s: %w", name, err)
			break
		}
		done = append(done, output.Did{Resource: "destination/" + name, Action: "resumed"})
	}
	return out.PrintDone(ctx, env.Streams, done, err)
}

// destination describes one, with how sending to it goes.
func (d *description) destination(ctx context.Context, env *command.Env, client *api.Client, r *api.StoredResource) (*api.DestinationStatus, error) {
	compiled, err := workflows.CompileDestination(r.Metadata.Name, r.Spec)
	if err != nil {
		return nil, nil // of a newer server: the head is what can be said
	}
	spec := compiled.Spec
	d.field("Description", terminal.Safe(spec.Description))
	switch {
	case spec.Email != nil:
		d.field("E-mail to", terminal.Safe(strings.Join(spec.Email.To, ", ")))
	case spec.Webhook.URL.Secret != "":
		d.field("Webhook", "secret "+spec.Webhook.URL.Secret)
	default:
		d.field("Webhook", terminal.Safe(spec.Webhook.URL.Text))
	}
	d.field("Secrets", strings.Join(compiled.Secrets, ", "))
	events := make([]string, 0, len(spec.Events))
	for _, e := range spec.Events {
		events = append(events, strings.TrimSpace(e.Event+" "+strings.Join(e.Workflows, ",")+" "+labelText(e.Labels)))
	}
	if len(events) == 0 {
		events = []string{"all"}
	}
	d.field("Events", terminal.Safe(strings.Join(events, "; ")))
	d.field("Messages", fmt.Sprintf("the first after %s, then one in %s", schema.Duration(compiled.Wait), schema.Duration(compiled.Interval)))
	got, err := client.DestinationStatus(ctx, r.Metadata.Name)
	if err != nil {
		return nil, fmt.Errorf("ask how sending to destination %s goes: %w", r.Metadata.Name, err)
	}
	state := got.State
	switch got.State {
	case api.DestinationDisabled:
		state += " since " + output.Clock(got.DisabledAt) + ": " + terminal.Safe(got.Reason)
	case api.DestinationFailing:
		state += " since " + output.Clock(got.FailingSince)
	}
	d.field("State", state)
	d.field("Waiting", fmt.Sprint(got.Waiting, " events"))
	if l := got.Last; l != nil {
		d.field("Last message", terminal.Safe(strings.TrimSpace(fmt.Sprintf("%s, %s ago, after %d attempts  %s", l.State, output.Age(env.Now(), l.CreatedAt), l.Attempts, l.Error))))
	}
	return &got.DestinationStatus, nil
}
