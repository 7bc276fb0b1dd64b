package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// DoctorOptions are what `doctor` takes.
type DoctorOptions struct {
	env *command.Env
	out output.Flags
}

func newDoctor(env *command.Env) *cobra.Command {
	o := &DoctorOptions{env: env}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the server, its readiness, the token and the clock",
		Long: `Check that the server answers, what it says of its readiness, the token with its role,
and that its clock goes as this machine's. Each line says what to do about it. The exit
code is 0 when no check failed and 1 when one did. "paragond doctor" checks from within.`,
		Example: `  paragonctl doctor
  paragonctl doctor --context production -o json`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	return cmd
}

func (o *DoctorOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	checks := examine(ctx, client, o.env.Version)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	view := output.ListOf(checks, func(c api.Check) string { return c.Name })
	view.Table = &output.Grid{Columns: []output.Column{
		{Title: "STATUS", Paint: paintCheck}, {Title: "CHECK"}, {Title: "FOUND"}, {Title: "WHAT TO DO"},
	}}
	failed := 0
	for _, c := range checks {
		view.Table.Rows = append(view.Table.Rows, []string{c.Status, c.Name, c.Found, c.Advice})
		if c.Status == api.CheckFailed {
			failed++
		}
	}
	if err := o.out.Print(ctx, o.env.Streams, view); err != nil {
		return err
	}
	if failed > 0 {
		return &command.Failure{Code: command.ExitFailure, Err: fmt.Errorf("%d of %d checks failed", failed, len(checks))}
	}
	return nil
}

func paintCheck(style terminal.Style, status string) string {
	switch status {
	case api.CheckOK:
		return style.Good(status)
	case api.CheckFailed:
		return style.Bad(status)
	}
	return style.Notice(status)
}

// examine makes the checks. When the server does not answer, the rest says
// nothing and is left out.
func examine(ctx context.Context, client *api.Client, own string) []api.Check {
	sent := time.Now()
	ready, err := client.Ready(ctx)
	received := time.Now()
	if err != nil {
		return []api.Check{{Name: "server", Status: api.CheckFailed, Found: err.Error(),
			Advice: "See that paragond runs, and that --server, PARAGON_SERVER or the context has its address."}}
	}
	checks := []api.Check{{Name: "server", Status: api.CheckOK, Found: client.Server() + " answers"}}
	checks = append(checks, checkVersion(ctx, client, own))
	checks = append(checks, checkReadiness(ready)...)
	checks = append(checks, checkToken(ctx, client))
	if ready.Date.IsZero() {
		return append(checks, api.Check{Name: "clock", Status: api.CheckUnknown, Found: "the answer has no header Date",
			Advice: "Let the proxy in front of the server pass it on."})
	}
	return append(checks, api.ClockCheck("clock", ready.Date, sent, received, time.Second))
}

func checkVersion(ctx context.Context, client *api.Client, own string) api.Check {
	v, err := client.Version(ctx)
	switch {
	case err != nil:
		return api.Check{Name: "version", Status: api.CheckFailed, Found: err.Error(), Advice: "See that the address is that of a paragond with the role api."}
	case v.Version != own:
		return api.Check{Name: "version", Status: api.CheckUnknown, Found: "the server is " + v.Version + ", paragonctl is " + own,
			Advice: "Use the paragonctl of the server's release if a command is refused."}
	}
	return api.Check{Name: "version", Status: api.CheckOK, Found: own}
}

// checkReadiness has the status and a line for each reason; what is not
// required does not fail.
func checkReadiness(r *api.Readiness) []api.Check {
	whole := api.Check{Name: "ready", Status: api.CheckOK, Found: r.Status}
	if r.Status != "ok" {
		whole.Status, whole.Advice = api.CheckFailed, "See the reasons below; `paragond doctor` on the server says more."
		if r.Status == "draining" {
			whole.Advice = "The process stops: ask another one, or start it again."
		}
	}
	checks := []api.Check{whole}
	for _, name := range slices.Sorted(maps.Keys(r.Checks)) {
		c := r.Checks[name]
		if c.OK {
			continue
		}
		status := api.CheckUnknown
		if c.Required {
			status = api.CheckFailed
		}
		checks = append(checks, api.Check{Name: "ready: " + name, Status: status, Found: c.Error,
			Advice: "Run `paragond doctor` on the server."})
	}
	return checks
}

func checkToken(ctx context.Context, client *api.Client) api.Check {
	who, err := client.WhoAmI(ctx)
	if err != nil {
		advice := "Try again; the server could not tell who you are."
		if command.ExitCode(err) == command.ExitRefused {
			advice = "Log in with `paragonctl auth login`."
		}
		var unreachable *api.UnreachableError
		if errors.As(err, &unreachable) {
			advice = "Try again: the connection was lost."
		}
		return api.Check{Name: "token", Status: api.CheckFailed, Found: err.Error(), Advice: advice}
	}
	return api.Check{Name: "token", Status: api.CheckOK, Found: who.Name + ", " + who.Role + " in project " + who.Project}
}
