package access

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

func newAccept(env *command.Env) *cobra.Command {
	o := &LoginOptions{env: env}
	var token, name string
	cmd := &cobra.Command{
		Use:   "accept INVITATION",
		Short: "Become a member by an invitation, and log in",
		Long: `Become a member by an invitation's token, which "member invite" prints, and log in. The
password is asked for, or read from standard input with --password-stdin: a new one
of at least 12 characters, or the one that you have.`,
		Example: `  paragonctl auth accept pgi_3f9c --server https://paragon.example.org --name "Ada Lovelace"`,
		Args:    command.Args(1, 1, "the token of an invitation"),
		RunE: func(cmd *cobra.Command, args []string) error {
			token = args[0]
			return o.keep(cmd.Context(), func(ctx context.Context, server string) (string, error) {
				return o.accept(ctx, server, api.AcceptRequest{Token: token, Name: name})
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "how a new person is called (default: the email before the @)")
	cmd.Flags().BoolVar(&o.withToken, "password-stdin", false, "read the password from standard input")
	return cmd
}

func (o *LoginOptions) accept(ctx context.Context, server string, req api.AcceptRequest) (token string, err error) {
	if o.withToken {
		req.Password, err = o.env.ReadSecret()
	} else {
		req.Password, err = o.env.AskSecret(ctx, "Password for "+server)
	}
	if errors.Is(err, terminal.ErrNoPrompt) {
		return "", &command.Failure{Code: command.ExitUsage, Err: errors.New("accept: there is no terminal to ask for the password"),
			Try: "`paragonctl auth accept INVITATION --password-stdin < FILE`"}
	}
	if err != nil {
		return "", err
	}
	client := o.env.ClientFor(command.Connection{Server: server})
	defer client.Close()
	session, err := client.Accept(ctx, req)
	if err != nil {
		return "", fmt.Errorf("accept the invitation: %w", err)
	}
	return session.Token, nil
}
