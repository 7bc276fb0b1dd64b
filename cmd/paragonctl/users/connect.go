package users

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// ConnectOptions are what `credential connect` takes.
type ConnectOptions struct {
	env *command.Env
	place
	settings, returnTo string
	noWait             bool
	timeout            command.Duration
	out                output.Flags
}

func newConnect(env *command.Env) *cobra.Command {
	o := &ConnectOptions{env: env}
	cmd := &cobra.Command{
		Use:   "connect INTEGRATION",
		Short: "Print the address where a user consents, and wait until that is done",
		Long: `Print the address where a user, or without --user somebody for the project itself,
consents to an integration with OAuth2, and wait until that is done. The address
counts once, and for 10 minutes: open it in the browser of who consents.`,
		Example: `  paragonctl credential connect crm --user u_1
  xdg-open "$(paragonctl credential connect crm --no-wait)"`,
		Args: command.Args(1, 1, "an integration"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.integration = args[0]
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.settings, "settings", "", "what the integration's settings ask for, a JSON object")
	f.StringVar(&o.returnTo, "return-to", "", "the page where the browser goes afterwards (default: one that says how it went)")
	f.BoolVar(&o.noWait, "no-wait", false, "print the address alone")
	f.Var(&o.timeout, "timeout", "wait no longer than this (default: as long as the address counts)")
	o.register(env, cmd)
	o.out.Register(cmd)
	return cmd
}

func (o *ConnectOptions) run(ctx context.Context) error {
	settings, err := readSettings(o.settings)
	if err != nil {
		return err
	}
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	begun, err := client.Connect(ctx, o.user, o.integration, o.account, api.ConnectRequest{Settings: settings, ReturnTo: o.returnTo})
	if err != nil {
		return listed(fmt.Errorf("connect %s: %w", &o.place, err))
	}
	if o.noWait && !o.out.ForPeople() {
		return o.out.Print(ctx, o.env.Streams, output.View{Value: begun, Names: []string{begun.ID}})
	}
	// The address is what others read; with -o that is the outcome.
	to := o.env.Out
	if !o.out.ForPeople() {
		to = o.env.Err
	}
	if _, err := fmt.Fprintln(to, terminal.Safe(begun.URL)); err != nil || o.noWait {
		return err
	}
	fmt.Fprintf(o.env.Err, "Open it in a browser, once. Waiting until %s …\n", output.Clock(begun.ExpiresAt))
	now, err := o.wait(ctx, client, begun.ID)
	if err != nil {
		return err
	}
	if now.Status != api.ConnectDone {
		return &command.Failure{Code: command.ExitFailure, Err: fmt.Errorf("%s is not connected: %s", &o.place, now.Error), Try: "connect it again"}
	}
	return o.out.Print(ctx, o.env.Streams, output.View{Value: now, Names: []string{now.ID}, Text: func(w io.Writer, style terminal.Style) error {
		_, err := fmt.Fprintf(w, "%s %s\n", terminal.Safe(o.String()), style.Action("connected"))
		return err
	}})
}

// askEvery is how often it is asked how an authorization stands.
const askEvery = time.Second

func (o *ConnectOptions) wait(ctx context.Context, client *api.Client, id string) (*api.Connecting, error) {
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(o.timeout), command.ErrWaited)
		defer cancel()
	}
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		now, err := client.Connecting(ctx, id)
		if err == nil && now.Status != api.ConnectPending {
			return now, nil
		}
		if err == nil {
			select {
			case <-tick.C:
				continue
			case <-ctx.Done():
			}
		}
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, command.ErrWaited):
			return nil, command.WithTry(fmt.Errorf("connect %s: nobody consented in %s: %w", &o.place, schema.Duration(o.timeout), command.ErrWaited), "the address still counts; `paragonctl credential list` shows when it is connected")
		case errors.Is(cause, command.ErrInterrupted):
			return nil, fmt.Errorf("connect %s: %w", &o.place, command.ErrInterrupted)
		}
		return nil, fmt.Errorf("connect %s: %w", &o.place, err)
	}
}
