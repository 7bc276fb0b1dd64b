package access

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/noun"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// NewProject makes the project group.
func NewProject(env *command.Env) *cobra.Command {
	cmd := command.NewGroup("project", "List the projects that you have a role in, and create one", newProjectList(env), newProjectCreate(env))
	cmd.Aliases = []string{"projects"}
	return cmd
}

func newProjectList(env *command.Env) *cobra.Command {
	return noun.List[api.Project]{
		Short:   "List the projects that you have a role in",
		Example: `  paragonctl project list`,
		Empty:   "No projects.",
		Items: noun.All("projects", func(ctx context.Context, c *api.Client, _ string) (*api.List[api.Project], error) {
			return c.Projects(ctx)
		}),
		Name:    func(p api.Project) string { return p.Name },
		Columns: []output.Column{{Title: "NAME"}, {Title: "ROLE"}},
		Row:     func(p api.Project) []string { return []string{p.Name, p.Role} },
	}.Command(env)
}

func newProjectCreate(env *command.Env) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a project",
		Long: `Create a project: an owner of project default may. A person who does is its first
owner; for a key, the token of the project's first owner key is printed, this once.`,
		Example: `  paragonctl project create shop`,
		Args:    command.Args(1, 1, "a name for the project"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			made, err := client.CreateProject(cmd.Context(), args[0])
			if err != nil {
				return fmt.Errorf("create project %s: %w", args[0], err)
			}
			if !out.ForPeople() {
				return out.Print(cmd.Context(), env.Streams, output.View{Value: made, Names: []string{made.Name}})
			}
			if made.Token == "" {
				fmt.Fprintf(env.Err, "Project %s is there; you are its %s.\n", terminal.Safe(made.Name), terminal.Safe(made.Role))
				return nil
			}
			fmt.Fprintf(env.Err, "Project %s is there. The token of its first owner key is shown this once:\n", terminal.Safe(made.Name))
			_, err = fmt.Fprintln(env.Out, terminal.Safe(made.Token))
			return err
		},
	}
	out.Register(cmd)
	return cmd
}
