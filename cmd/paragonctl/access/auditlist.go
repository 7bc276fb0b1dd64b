package access

import (
	"fmt"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/schema/api"
)

func newAuditList(env *command.Env) *cobra.Command {
	q := api.AuditQuery{Limit: 50}
	var out output.Flags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: "List who did, or was refused, what, newest first",
		Example: `  paragonctl audit list --since 24h
  paragonctl audit list --outcome refused --actor ci -o wide`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			if q.Limit < 1 || q.Limit > 1000 {
				return command.Usage("--limit must be from 1 to 1000")
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			page, err := client.Audit(cmd.Context(), q)
			if err != nil {
				return fmt.Errorf("read the audit log: %w", err)
			}
			view := output.ListOf(page.Items, func(r api.AuditRecord) string { return fmt.Sprint(r.ID) })
			g := &output.Grid{Columns: []output.Column{{Title: "AT"}, {Title: "ACTOR"}, {Title: "ACTION"}, {Title: "OBJECT", Cut: true},
				{Title: "OUTCOME"}, {Title: "FROM", Wide: true}, {Title: "DETAIL", Wide: true}}}
			for _, r := range page.Items {
				g.Rows = append(g.Rows, []string{output.Clock(r.At), r.Actor, r.Action, r.Object, r.Outcome, r.From, string(r.Detail)})
			}
			view.Table, view.Empty = g, "No records."
			return out.Print(cmd.Context(), env.Streams, view)
		},
	}
	auditFilters(cmd, &q)
	cmd.Flags().IntVar(&q.Limit, "limit", q.Limit, "how many records, 1000 at most; \"audit export\" has all")
	out.Register(cmd)
	return cmd
}

// auditFilters are the flags that select records.
func auditFilters(cmd *cobra.Command, q *api.AuditQuery) {
	f := cmd.Flags()
	f.StringVar(&q.Actor, "actor", "", "only what this key or person did")
	f.StringVar(&q.Action, "action", "", "only this action, such as delete")
	f.StringVar(&q.Object, "object", "", "only what was done to this, such as workflow/lead-sync")
	f.StringVar(&q.Outcome, "outcome", "", "only done, or only refused")
	f.StringVar(&q.Since, "since", "", "at or after: a time, or a duration ago")
	f.StringVar(&q.Until, "until", "", "before: a time, or a duration ago")
}
