package access

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/noun"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// NewMember makes the member group.
func NewMember(env *command.Env) *cobra.Command {
	return command.NewGroup("member", "List, invite, change and remove a project's members",
		newMemberList(env), newMemberInvite(env), newMemberSetRole(env), newMemberRemove(env))
}

func newMemberList(env *command.Env) *cobra.Command {
	return noun.List[api.Member]{
		Short:   "List members, then who is invited",
		Example: `  paragonctl member list`,
		Empty:   "No members.",
		Items: noun.All("members", func(ctx context.Context, c *api.Client, _ string) (*api.List[api.Member], error) {
			return c.Members(ctx)
		}),
		Name:    func(m api.Member) string { return m.Email },
		Columns: []output.Column{{Title: "EMAIL"}, {Title: "NAME", Cut: true}, {Title: "ROLE"}, {Title: "STATUS"}, {Title: "BY", Wide: true}},
		Row:     func(m api.Member) []string { return []string{m.Email, m.Name, m.Role, m.Status, m.AddedBy} },
	}.Command(env)
}

func newMemberInvite(env *command.Env) *cobra.Command {
	var role string
	var out output.Flags
	cmd := &cobra.Command{
		Use:   "invite EMAIL --role ROLE",
		Short: "Invite somebody, and print the invitation's token, this once",
		Long: `Invite somebody, and print the invitation's token. It counts for seven days and
once: "auth accept" takes it, and so does a login with --device of that email.`,
		Example: `  paragonctl member invite ada@example.org --role developer`,
		Args:    command.Args(1, 1, "an email"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			inv, err := client.Invite(cmd.Context(), args[0], role)
			if err != nil {
				return fmt.Errorf("invite %s: %w", args[0], err)
			}
			if !out.ForPeople() {
				return out.Print(cmd.Context(), env.Streams, output.View{Value: inv, Names: []string{inv.Email}})
			}
			fmt.Fprintf(env.Err, "Invited %s as %s. The token is shown this once:\n", terminal.Safe(inv.Email), terminal.Safe(inv.Role))
			_, err = fmt.Fprintln(env.Out, terminal.Safe(inv.Token))
			return err
		},
	}
	cmd.Flags().StringVar(&role, "role", "viewer", "owner, admin, developer, operator or viewer")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(roles, cobra.ShellCompDirectiveNoFileComp))
	out.Register(cmd)
	return cmd
}

func newMemberSetRole(env *command.Env) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use:               "set-role EMAIL ROLE",
		Short:             "Give a member another role",
		Example:           `  paragonctl member set-role ada@example.org admin`,
		Args:              command.Args(2, 2, "an email and a role"),
		ValidArgsFunction: completeMemberRole(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			m, err := client.SetRole(cmd.Context(), args[0], args[1])
			if err != nil {
				return fmt.Errorf("change the role of %s: %w", args[0], err)
			}
			return out.Print(cmd.Context(), env.Streams, output.View{Value: m, Names: []string{m.Email}, Text: func(w io.Writer, _ terminal.Style) error {
				_, err := fmt.Fprintf(w, "member/%s is %s\n", terminal.Safe(m.Email), terminal.Safe(m.Role))
				return err
			}})
		},
	}
	out.Register(cmd)
	return cmd
}

// completeMemberRole completes a member, then a role.
func completeMemberRole(env *command.Env) cobra.CompletionFunc {
	members := complete.Members(env)
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return roles, cobra.ShellCompDirectiveNoFileComp
		}
		return members(cmd, args, typed)
	}
}

func newMemberRemove(env *command.Env) *cobra.Command {
	return noun.End{
		Use:     "remove EMAIL",
		Short:   "End a membership, or take an invitation back",
		Example: `  paragonctl member remove ada@example.org --yes`,
		Arg:     "an email", Most: 1, Complete: complete.Members(env),
		Kind: "member", Verb: "remove", Did: "removed",
		End: func(ctx context.Context, c *api.Client, email string) error { return c.RemoveMember(ctx, email) },
	}.Command(env)
}
