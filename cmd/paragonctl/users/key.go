package users

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// newKey makes the group of the public keys.
func newKey(env *command.Env) *cobra.Command {
	return command.NewGroup("key", "List, add and delete the public keys that users' tokens are checked with", newKeyList(env), newKeySet(env), newKeyDelete(env))
}

func newKeyList(env *command.Env) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short:   "List public keys",
		Example: `  paragonctl user key list`,
		Args:    command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			page, err := client.UserKeys(cmd.Context())
			if err != nil {
				return fmt.Errorf("list the keys of users: %w", err)
			}
			now := env.Now()
			view := output.ListOf(page.Items, func(k api.UserKey) string { return k.ID })
			g := &output.Grid{Columns: []output.Column{{Title: "KID"}, {Title: "ALGORITHM"}, {Title: "AGE"}, {Title: "BY"}}}
			for _, k := range page.Items {
				g.Rows = append(g.Rows, []string{k.ID, k.Algorithm, output.Age(now, k.CreatedAt), k.CreatedBy})
			}
			view.Table, view.Empty = g, "No keys: users have no tokens of their own."
			return out.Print(cmd.Context(), env.Streams, view)
		},
	}
	out.Register(cmd)
	return cmd
}

func newKeySet(env *command.Env) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use:   "set KID FILE|-",
		Short: "Add a public key, or replace the one with its id",
		Long: `Add a public key in PEM, or replace the one with its id. The product signs its users'
tokens (JWT) with the private one and names the id in their header as kid. To
rotate, add the new key, sign with it, and delete the old one when its last
token has ended.`,
		Example: `  openssl pkey -in private.pem -pubout | paragonctl user key set 2026-11 -
  paragonctl user key set 2026-11 public.pem`,
		Args: command.Args(2, 2, "the id of a key, and the file with its public key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			text, err := readFile(env, args[1])
			if err != nil {
				return err
			}
			if strings.Contains(string(text), "PRIVATE KEY") { // it stays here
				return &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("set key %s: this is a private key; nothing was sent", args[0]),
					Try: "openssl pkey -in FILE -pubout writes the public one"}
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			k, err := client.PutUserKey(cmd.Context(), args[0], api.PutUserKeyRequest{PublicKey: string(text)})
			if err != nil {
				return fmt.Errorf("set key %s: %w", args[0], err)
			}
			return out.Print(cmd.Context(), env.Streams, output.View{Value: k, Names: []string{k.ID}, Text: func(w io.Writer, style terminal.Style) error {
				_, err := fmt.Fprintf(w, "user-key/%s %s (%s)\n", terminal.Safe(k.ID), style.Action("set"), terminal.Safe(k.Algorithm))
				return err
			}})
		},
	}
	out.Register(cmd)
	return cmd
}

func newKeyDelete(env *command.Env) *cobra.Command {
	var yes bool
	var out output.Flags
	cmd := &cobra.Command{
		Use: "delete KID...", Aliases: []string{"rm"},
		Short:   "Remove public keys: tokens that they signed count no longer",
		Example: `  paragonctl user key delete 2025-11 --yes`,
		Args:    command.Args(1, -1, "the id of a key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			try := func(err error) error {
				if command.ExitCode(err) == command.ExitNotFound {
					return command.WithTry(err, "`paragonctl user key list` lists them")
				}
				return err
			}
			return remove(cmd, env, &out, yes, "user-key", args, try, (*api.Client).DeleteUserKey)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	out.Register(cmd)
	return cmd
}

// remove deletes things one by one, once that is confirmed.
func remove(cmd *cobra.Command, env *command.Env, out *output.Flags, yes bool, what string, ids []string, hint func(error) error,
	remove func(*api.Client, context.Context, string) error) error {
	client, err := env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := env.Confirmed(cmd, yes, "Delete "+what+" "+strings.Join(ids, ", ")+"?"); err != nil {
		return err
	}
	var done []output.Did
	for _, id := range ids {
		if err := remove(client, cmd.Context(), id); err != nil {
			return out.PrintDone(cmd.Context(), env.Streams, done, hint(fmt.Errorf("delete %s %s: %w", what, id, err)))
		}
		done = append(done, output.Did{Resource: what + "/" + id, Action: "deleted"})
	}
	return out.PrintDone(cmd.Context(), env.Streams, done, nil)
}
