package users

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/schema"
	"paragon/schema/api"
)

// NewCredential makes the credential group.
func NewCredential(env *command.Env) *cobra.Command {
	cmd := command.NewGroup("credential", "List, set, connect and delete credentials for integrations",
		newCredentialList(env), newCredentialSet(env), newConnect(env), newCredentialDelete(env))
	cmd.Aliases = []string{"credentials"}
	return cmd
}

// place says which credential a command is about.
type place struct{ integration, user, account string }

// register adds the flags that choose a credential.
func (p *place) register(env *command.Env, cmd *cobra.Command) {
	p.registerUser(env, cmd)
	cmd.Flags().StringVar(&p.account, "account", api.DefaultAccount, "which of several credentials for one integration")
	cmd.ValidArgsFunction = complete.Resources(env, schema.KindIntegration)
}

func (p *place) registerUser(env *command.Env, cmd *cobra.Command) {
	cmd.Flags().StringVarP(&p.user, "user", "u", "", "the user whose credential it is (default: the project's own)")
	_ = cmd.RegisterFlagCompletionFunc("user", complete.Users(env, 0))
}

// String names the credential as the audit log does.
func (p *place) String() string {
	if p.user == "" {
		return "credential/" + p.integration + "/" + p.account
	}
	return "credential/" + p.user + "/" + p.integration + "/" + p.account
}

func newCredentialList(env *command.Env) *cobra.Command {
	var p place
	var out output.Flags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: "List a user's credentials, or the project's own: never what they hold",
		Example: `  paragonctl credential list --user u_1
  paragonctl credential list -u u_1 -o json --jq '.items[] | select(.status == "invalid")'`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			page, err := client.Credentials(cmd.Context(), p.user)
			if err != nil {
				return notFound(fmt.Errorf("list credentials: %w", err))
			}
			now := env.Now()
			view := output.ListOf(page.Items, func(c api.Credential) string { return c.Integration + "/" + c.Account })
			g := &output.Grid{Columns: []output.Column{{Title: "INTEGRATION"}, {Title: "ACCOUNT"}, {Title: "KIND"}, {Title: "STATUS"}, {Title: "AGE"},
				{Title: "REASON", Cut: true}, {Title: "SETTINGS", Wide: true}, {Title: "BY", Wide: true}}}
			for _, c := range page.Items {
				g.Rows = append(g.Rows, []string{c.Integration, c.Account, c.Kind, c.Status, output.Age(now, c.UpdatedAt), c.Reason, string(c.Settings), c.UpdatedBy})
			}
			view.Table, view.Empty = g, "No credentials."
			return out.Print(cmd.Context(), env.Streams, view)
		},
	}
	p.registerUser(env, cmd)
	out.Register(cmd)
	return cmd
}

func newCredentialDelete(env *command.Env) *cobra.Command {
	var p place
	var yes bool
	var out output.Flags
	cmd := &cobra.Command{
		Use: "delete INTEGRATION", Aliases: []string{"rm"},
		Short:   "Remove a credential, and revoke its tokens where the API can",
		Example: `  paragonctl credential delete crm --user u_1 --yes`,
		Args:    command.Args(1, 1, "an integration"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.integration = args[0]
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			if err := env.Confirmed(cmd, yes, "Delete "+p.String()+"?"); err != nil {
				return err
			}
			if err := client.DeleteCredential(cmd.Context(), p.user, p.integration, p.account); err != nil {
				return listed(fmt.Errorf("delete %s: %w", &p, err))
			}
			return out.PrintDone(cmd.Context(), env.Streams, []output.Did{{Resource: p.String(), Action: "deleted"}}, nil)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	p.register(env, cmd)
	out.Register(cmd)
	return cmd
}

// listed adds where credentials are listed.
func listed(err error) error {
	if command.ExitCode(err) == command.ExitNotFound {
		return command.WithTry(err, "`paragonctl credential list` and `paragonctl get integrations` list what there is")
	}
	return err
}

// authOf is the kind of credential that an integration asks for.
func authOf(ctx context.Context, client *api.Client, name string) (string, *schema.IntegrationAuth, error) {
	stored, err := client.Get(ctx, schema.Ref{Kind: schema.KindIntegration, Name: name})
	if err != nil {
		return "", nil, err
	}
	return kindOf(stored.Spec)
}
