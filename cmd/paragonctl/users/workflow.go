package users

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// newWorkflow makes the group of what a user has of workflows.
func newWorkflow(env *command.Env) *cobra.Command {
	cmd := command.NewGroup("workflow", "List, enable and disable workflows for a user",
		newWorkflowList(env), newWorkflowEnable(env), newWorkflowDisable(env))
	cmd.Aliases = []string{"workflows"}
	return cmd
}

func newWorkflowList(env *command.Env) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use: "list ID", Aliases: []string{"ls"},
		Short: "List the workflows with users as they are for one of them",
		Long: `List the workflows with users as they are for one of them: whether each runs for the
user, and if not, why.`,
		Example: `  paragonctl user workflow list u_1
  paragonctl user workflow list u_1 -o json --jq '.items[] | select(.active | not) | .workflow'`,
		Args:              command.Args(1, 1, "the id of a user"),
		ValidArgsFunction: complete.Users(env, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			page, err := client.UserWorkflows(cmd.Context(), args[0])
			if err != nil {
				return notFound(fmt.Errorf("list the workflows of user %s: %w", args[0], err))
			}
			now := env.Now()
			view := output.ListOf(page.Items, func(w api.UserWorkflow) string { return w.Workflow })
			g := &output.Grid{Columns: []output.Column{{Title: "WORKFLOW", Cut: true}, {Title: "STATE"}, {Title: "CHOSEN"}, {Title: "AGE"},
				{Title: "SETTINGS", Cut: true}, {Title: "DETAIL", Wide: true}, {Title: "BY", Wide: true}}}
			for _, w := range page.Items {
				g.Rows = append(g.Rows, []string{w.Workflow, workflowState(&w), chosen(&w), output.Age(now, w.UpdatedAt), string(w.Settings), w.Detail, w.UpdatedBy})
			}
			view.Table, view.Empty = g, "No workflow is for users."
			return out.Print(cmd.Context(), env.Streams, view)
		},
	}
	out.Register(cmd)
	return cmd
}

// workflowState says whether a workflow runs for the user, else why not.
func workflowState(w *api.UserWorkflow) string {
	if w.Active {
		return "active"
	}
	switch w.Reason {
	case api.ReasonNotAllowed:
		return "not allowed"
	case api.ReasonSettings:
		return "settings missing"
	case api.ReasonUserDisabled:
		return "user disabled"
	}
	return "disabled"
}

// chosen says who decided: the user, or the workflow.
func chosen(w *api.UserWorkflow) string {
	switch {
	case w.Default && w.Enabled:
		return "on by default"
	case w.Default:
		return "off by default"
	case w.Enabled:
		return "on"
	}
	return "off"
}

func newWorkflowEnable(env *command.Env) *cobra.Command {
	var settings, file string
	c := choice{env: env, enabled: true}
	cmd := c.command("enable ID WORKFLOW", "Enable a workflow for a user, and set the user's settings",
		`Enable a workflow for a user. With --settings the user's settings take the place of
those before; without, they stay. Who may not have the workflow is refused, and so
are settings that do not fit its schema. On a workflow that is enabled it changes the
settings.`,
		`  paragonctl user workflow enable u_1 digest --settings '{"channel": "#sales"}'
  paragonctl user workflow enable u_1 digest --settings-file settings.json`)
	f := cmd.Flags()
	f.StringVar(&settings, "settings", "", "what the workflow's settings ask for, a JSON object")
	f.StringVar(&file, "settings-file", "", "the same from a file, or - for standard input")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if settings != "" && file != "" {
			return command.Usage("--settings and --settings-file exclude each other")
		}
		if file != "" {
			text, err := readFile(env, file)
			if err != nil {
				return err
			}
			settings = string(text)
		}
		var err error
		c.req.Settings, err = readSettings(settings)
		return err
	}
	return cmd
}

func newWorkflowDisable(env *command.Env) *cobra.Command {
	c := choice{env: env}
	return c.command("disable ID WORKFLOW", "Disable a workflow for a user: what runs of it for them ends",
		`Disable a workflow for a user. Its runs for that user are canceled; the settings stay,
for when it is enabled again.`,
		`  paragonctl user workflow disable u_1 digest`)
}

// choice is what a user is to have of a workflow.
type choice struct {
	env     *command.Env
	enabled bool
	req     api.PutUserWorkflowRequest
	out     output.Flags
}

func (c *choice) command(use, short, long, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: command.Args(2, 2, "the id of a user, and a workflow"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return complete.Resources(c.env, schema.KindWorkflow)(cmd, nil, word)
			}
			return complete.Users(c.env, 1)(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.out.Check(); err != nil {
				return err
			}
			return c.run(cmd.Context(), args[0], args[1])
		},
	}
	c.out.Register(cmd)
	return cmd
}

func (c *choice) run(ctx context.Context, user, workflow string) error {
	verb, did := "disable", "disabled"
	if c.enabled {
		verb, did = "enable", "enabled"
	}
	client, err := c.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	c.req.Enabled = &c.enabled
	w, err := client.PutUserWorkflow(ctx, user, workflow, c.req)
	if err != nil {
		err = fmt.Errorf("%s workflow %s for user %s: %w", verb, workflow, user, err)
		if command.ExitCode(err) == command.ExitNotFound {
			err = command.WithTry(err, "`paragonctl user list` and `paragonctl get workflows` list what there is")
		}
		return err
	}
	name := "user/" + user + "/workflow/" + workflow
	return c.out.Print(ctx, c.env.Streams, output.View{Value: w, Names: []string{name}, Text: func(out io.Writer, style terminal.Style) error {
		if _, err := fmt.Fprintf(out, "%s %s\n", terminal.Safe(name), style.Action(did)); err != nil {
			return err
		}
		if c.enabled && !w.Active {
			_, err := fmt.Fprintf(c.env.Err, "It does not run yet: %s.\n", terminal.Safe(why(w)))
			return err
		}
		return nil
	}})
}

// why says why a workflow that was enabled does not run.
func why(w *api.UserWorkflow) string {
	if w.Detail != "" {
		return w.Detail
	}
	return workflowState(w)
}
