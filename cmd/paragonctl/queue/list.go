package queue

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/schema/api"
)

// NewQueue makes the queue group.
func NewQueue(env *command.Env) *cobra.Command {
	cmd := command.NewGroup("queue", "List, pause and resume queues and workflows",
		newList(env), newSteer(env, pause), newSteer(env, resume))
	cmd.Aliases = []string{"queues"}
	return cmd
}

// ListOptions are what `queue list` takes.
type ListOptions struct {
	env *command.Env
	out output.Flags
}

func newList(env *command.Env) *cobra.Command {
	o := &ListOptions{env: env}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: "List queues, how many runs wait in each and for how long, and paused workflows",
		Long: `List the queues of the installation: how many runs wait for a worker, and how long
the oldest of them has waited. A queue is a lane and a priority. Below them stand
the paused workflows of the project with how many of their runs are held.`,
		Example: `  paragonctl queue list
  paragonctl queue list --jq '.queues[] | select(.runs > 1000) | .name'`,
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

// listed is the answer as programs get it.
type listed struct {
	Queues          []api.Queue          `json:"queues"`
	PausedWorkflows []api.PausedWorkflow `json:"pausedWorkflows"`
}

func (o *ListOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	queues, err := client.Queues(ctx)
	if err != nil {
		return fmt.Errorf("list queues: %w", err)
	}
	paused, err := client.PausedWorkflows(ctx)
	if err != nil {
		return fmt.Errorf("list paused workflows: %w", err)
	}
	view := output.View{Value: listed{queues.Items, paused.Items}}
	now := o.env.Now()
	g := &output.Grid{Columns: []output.Column{{Title: "QUEUE", Cut: true}, {Title: "RUNS"}, {Title: "OLDEST"}, {Title: "STATE"}}}
	for _, q := range queues.Items {
		oldest, state := "-", "open"
		if !q.Oldest.IsZero() {
			oldest = output.Age(now, q.Oldest)
		}
		if q.Paused {
			state = "paused"
		}
		g.Rows = append(g.Rows, []string{q.Name, fmt.Sprint(q.Runs), oldest, state})
		view.Items, view.Names = append(view.Items, q), append(view.Names, q.Name)
	}
	for _, p := range paused.Items {
		g.Rows = append(g.Rows, []string{"workflow/" + p.Workflow, fmt.Sprint(p.Held), "-", "paused " + output.Age(now, p.Since) + " ago"})
		view.Items, view.Names = append(view.Items, p), append(view.Names, "workflow/"+p.Workflow)
	}
	view.Table, view.Empty = g, "No queues."
	return o.out.Print(ctx, o.env.Streams, view)
}
