package resource

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

// DestinationTestOptions are what `destination test` takes.
type DestinationTestOptions struct {
	env     *command.Env
	name    string
	timeout command.Duration
	out     output.Flags
}

func newDestinationTest(env *command.Env) *cobra.Command {
	o := &DestinationTestOptions{env: env, timeout: command.Duration(30 * time.Second)}
	cmd := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a message to a destination, and tell whether it arrived",
		Long: `Send a message to a destination and wait for what comes of it. It is sent once, as
the destination's messages are, also to one that is disabled.`,
		Example:           `  paragonctl destination test on-call`,
		Args:              command.Args(1, 1, "a destination's name"),
		ValidArgsFunction: complete.Resources(env, schema.KindDestination),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().Var(&o.timeout, "timeout", "how long to wait for what comes of it")
	o.out.Register(cmd)
	return cmd
}

// askEvery is how often the deliveries are asked for.
const askEvery = 300 * time.Millisecond

func (o *DestinationTestOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	d, err := client.TestDestination(ctx, o.name)
	if err != nil {
		return fmt.Errorf("test destination %s: %w", o.name, err)
	}
	if d, err = o.await(ctx, client, d); err != nil {
		return err
	}
	switch d.State {
	case api.DeliveryFailed:
		return fmt.Errorf("test destination %s: the message did not arrive: %s", o.name, d.Error)
	case api.DeliveryPending:
		return fmt.Errorf("test destination %s: the message was not sent within %s: does a process with the role scheduler run? %w", o.name, schema.Duration(o.timeout), command.ErrWaited)
	}
	view := output.View{Value: d, Names: []string{d.ID}, Table: deliveryGrid(o.env, []api.Delivery{*d})}
	return o.out.Print(ctx, o.env.Streams, view)
}

// await asks until the message is no longer on its way, or time is up.
func (o *DestinationTestOptions) await(ctx context.Context, client *api.Client, d *api.Delivery) (*api.Delivery, error) {
	limit := time.NewTimer(time.Duration(o.timeout))
	defer limit.Stop()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		list, err := client.Deliveries(ctx, o.name)
		if err != nil {
			return nil, fmt.Errorf("ask what came of the message to destination %s: %w", o.name, err)
		}
		for i := range list.Items {
			if list.Items[i].ID == d.ID {
				d = &list.Items[i]
			}
		}
		if d.State != api.DeliveryPending {
			return d, nil
		}
		select {
		case <-tick.C:
		case <-limit.C:
			return d, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
