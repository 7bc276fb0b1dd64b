package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
	"paragon/schema/chain"
)

// NewAudit makes the audit group.
func NewAudit(env *command.Env) *cobra.Command {
	return command.NewGroup("audit", "List and export the audit log, and check that nobody changed it", newAuditList(env), newAuditExport(env), newAuditVerify(env))
}

// eachRecord hands on the records that a query selects, oldest first.
func eachRecord(ctx context.Context, env *command.Env, q api.AuditQuery, f func(*api.AuditRecord) error) error {
	client, err := env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	q.Oldest, q.Limit = true, 1000
	for {
		page, err := client.Audit(ctx, q)
		if err != nil {
			return fmt.Errorf("read the audit log: %w", err)
		}
		for i := range page.Items {
			if err := f(&page.Items[i]); err != nil {
				return err
			}
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return nil
		}
	}
}

func newAuditExport(env *command.Env) *cobra.Command {
	var q api.AuditQuery
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print the audit log as JSON lines, the oldest record first",
		Example: `  paragonctl audit export > audit.jsonl
  paragonctl audit export --outcome refused --since 24h`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			enc := json.NewEncoder(env.Out)
			return eachRecord(cmd.Context(), env, q, func(r *api.AuditRecord) error { return enc.Encode(r) })
		},
	}
	auditFilters(cmd, &q)
	return cmd
}

func newAuditVerify(env *command.Env) *cobra.Command {
	var head string
	var out output.Flags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check the hash chain of the audit log, and print its head",
		Long: `Check the hash chain of the audit log: a record that was changed, taken out or put
in between is named, and the command fails. It prints the head of the chain. Keep
it elsewhere, and give it with --head the next time: that the newest records were
cut off, or the whole chain made anew, shows only so.`,
		Example: `  paragonctl audit verify
  paragonctl audit verify --head 812:5f0c…`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			var v chain.Verifier
			found, before := head == "", 0
			err := eachRecord(cmd.Context(), env, api.AuditQuery{}, func(r *api.AuditRecord) error {
				if r.Seq == 0 && v.Len() == 0 {
					before++
					return nil
				}
				if err := r.Verify(&v); err != nil {
					return fmt.Errorf("the audit log was tampered with: %w", err)
				}
				found = found || v.Head() == head
				return nil
			})
			if err != nil {
				return err
			}
			if !found {
				return &command.Failure{Code: command.ExitFailure, Err: errors.New("the audit log does not hold the head that you gave: records were cut off, or the chain was made anew")}
			}
			if !out.ForPeople() {
				return out.Print(cmd.Context(), env.Streams, output.View{Value: map[string]any{"records": v.Len(), "before": before, "head": v.Head()}, Names: []string{v.Head()}})
			}
			fmt.Fprintf(env.Err, "%d records are as they were written; %d are from before there was a chain.\n", v.Len(), before)
			_, err = fmt.Fprintln(env.Out, terminal.Safe(v.Head()))
			return err
		},
	}
	cmd.Flags().StringVar(&head, "head", "", "a head that was printed before, which the log must still hold")
	out.Register(cmd)
	return cmd
}
