package dash

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/schema/api"
	"paragon/tui"
	"paragon/tui/theme"
	"paragon/workflows"
)

// patience bounds one request of the dashboard. It asks again by itself, so
// that a request that hangs is given up early.
const patience = 5 * time.Second

// Options are what `dash` takes.
type Options struct {
	env      *command.Env
	theme    string
	ascii    bool
	readOnly bool
}

// New makes the command.
func New(env *command.Env) *cobra.Command {
	o := &Options{env: env}
	cmd := &cobra.Command{
		Use:   "dash",
		Short: "Open the live dashboard",
		Long: `Open the live dashboard: throughput, failures, queues and workers as plots,
the runs as they go by, and each of them step by step. ? shows the keys.

NO_COLOR takes all colours away; no state is told by colour alone.
What it shows is available as text from ` + "`paragonctl top`, `paragonctl runs`" + ` and ` + "`paragonctl queue list`" + `.`,
		Example: `  paragonctl dash
  paragonctl dash --read-only --theme light`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.theme, "theme", env.Getenv("PARAGON_THEME"), "colours: "+strings.Join(theme.Names(), ", ")+" (also PARAGON_THEME)")
	flags.BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters alone")
	flags.BoolVar(&o.readOnly, "read-only", false, "allow no action that changes anything")
	// The name is a constant, so registering can't fail.
	_ = cmd.RegisterFlagCompletionFunc("theme", cobra.FixedCompletions(theme.Names(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (o *Options) run(ctx context.Context) error {
	look, ok := theme.Named(o.theme, o.ascii)
	if !ok {
		return command.Usage("there is no theme %q: %s", o.theme, strings.Join(theme.Names(), ", "))
	}
	if !o.env.OutTTY || !o.env.InTTY || o.env.Getenv("TERM") == "dumb" {
		return &command.Failure{Code: command.ExitUsage, Err: errors.New("the dashboard needs a terminal, and here is none"),
			Try: "`paragonctl top`, `paragonctl runs list` and `paragonctl queue list` print the same as text"}
	}
	connection, err := o.env.Connection()
	if err != nil {
		return err
	}
	client := o.env.ClientFor(connection, api.WithAttempts(1), api.WithTimeout(patience))
	defer client.Close()
	opts := []tea.ProgramOption{tea.WithInput(o.env.In), tea.WithOutput(o.env.Out), tea.WithEnvironment(os.Environ())}
	if o.env.Getenv("NO_COLOR") != "" {
		opts = append(opts, tea.WithColorProfile(colorprofile.ASCII))
	}
	return tui.Run(ctx, tui.Options{Client: client, Theme: look, ReadOnly: o.readOnly, YAML: workflows.MarshalYAML}, opts...)
}
