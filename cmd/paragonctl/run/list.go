package run

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// filter is which runs a command is about.
type filter struct {
	workflow     string
	status       []string
	since, until string
	user         string
	text         string
}

func (f *filter) register(env *command.Env, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.workflow, "workflow", "w", "", "only runs of this workflow")
	flags.StringSliceVarP(&f.status, "status", "s", nil, "only runs in these states: queued, running, waiting, succeeded, failed, canceled")
	flags.StringVar(&f.since, "since", "", "only runs accepted since then: 1h, 7d, a date or a time")
	flags.StringVar(&f.until, "until", "", "only runs accepted before then")
	flags.StringVarP(&f.user, "user", "u", "", "only runs for this user")
	flags.StringVar(&f.text, "error", "", "only runs whose error contains this text")
	// The names are constants, so registering can't fail.
	_ = cmd.RegisterFlagCompletionFunc("workflow", func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return complete.Names(cmd.Context(), env, schema.KindWorkflow), cobra.ShellCompDirectiveNoFileComp
	})
	var states []cobra.Completion
	for _, s := range schema.RunStatuses {
		states = append(states, string(s))
	}
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
}

// empty tells whether the filter selects every run.
func (f *filter) empty() bool {
	return f.workflow == "" && len(f.status) == 0 && f.since == "" && f.until == "" && f.user == "" && f.text == ""
}

func (f *filter) query(env *command.Env) (api.RunsQuery, error) {
	q := api.RunsQuery{Workflow: f.workflow, User: f.user, Error: f.text}
	var err error
	if q.Status, err = command.ParseStatuses(f.status); err != nil {
		return q, err
	}
	if f.since != "" {
		if q.Since, err = command.ParseTime(f.since, env.Now()); err != nil {
			return q, err
		}
	}
	if f.until != "" {
		if q.Until, err = command.ParseTime(f.until, env.Now()); err != nil {
			return q, err
		}
	}
	return q, nil
}

// ListOptions are what `runs list` takes.
type ListOptions struct {
	env    *command.Env
	filter filter
	limit  int
	out    output.Flags
}

func newList(env *command.Env) *cobra.Command {
	o := &ListOptions{env: env}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List runs, newest first",
		Example: `  paragonctl runs list --status failed --since 1h
  paragonctl runs list --workflow lead-sync --error "status 503" -o name`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.limit < 0 {
				return command.Usage("--limit %d: it is 0 (all) or more", o.limit)
			}
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.filter.register(env, cmd)
	cmd.Flags().IntVarP(&o.limit, "limit", "n", 30, "at most this many; 0 for all")
	o.out.Register(cmd)
	return cmd
}

// pageSize is how many runs are asked for at once when all are wanted.
const pageSize = 200

func (o *ListOptions) run(ctx context.Context) error {
	query, err := o.filter.query(o.env)
	if err != nil {
		return err
	}
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	query.Limit = pageSize
	if o.limit > 0 {
		query.Limit = min(o.limit, pageSize)
	}
	var runs []schema.Run
	more := false
	for run, err := range client.AllRuns(ctx, query) {
		if err != nil {
			return fmt.Errorf("list runs: %w", err)
		}
		if o.limit > 0 && len(runs) == o.limit {
			more = true
			break
		}
		runs = append(runs, run)
	}
	view := output.ListOf(runs, func(r schema.Run) string { return r.ID })
	view.Empty = "No runs."
	view.Table = o.table(runs)
	if err := o.out.Print(ctx, o.env.Streams, view); err != nil {
		return err
	}
	if more && o.out.ForPeople() {
		fmt.Fprintf(o.env.Err, "The newest %d are shown; --limit 0 shows all.\n", o.limit)
	}
	return nil
}

func (o *ListOptions) table(runs []schema.Run) *output.Grid {
	now := o.env.Now()
	g := &output.Grid{Columns: []output.Column{
		{Title: "RUN"}, {Title: "WORKFLOW", Cut: true},
		{Title: "STATUS", Paint: func(s terminal.Style, cell string) string { return s.RunStatus(schema.RunStatus(cell)) }},
		{Title: "AGE"}, {Title: "TOOK"},
		{Title: "TRIGGER", Wide: true}, {Title: "REVISION", Wide: true}, {Title: "ATTEMPTS", Wide: true},
		{Title: "ERROR", Cut: true},
	}}
	for _, r := range runs {
		message := ""
		if r.Error != nil {
			message = why(r.Error)
		}
		took := "-"
		if r.EndedAt != nil {
			took = runLength(&r, now)
		}
		trigger := r.Trigger.Kind
		if r.Trigger.ID != "" {
			trigger += "/" + r.Trigger.ID
		}
		g.Rows = append(g.Rows, []string{
			r.ID, r.Workflow, string(r.Status), output.Age(now, r.CreatedAt), took,
			trigger, fmt.Sprint(r.Revision), fmt.Sprint(r.Attempts), message,
		})
	}
	return g
}
