package users

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/noun"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// newKey makes the group of the public keys.
func newKey(env *command.Env) *cobra.Command {
	return command.NewGroup("key", "List, add and delete the public keys that users' tokens are checked with", newKeyList(env), newKeySet(env), newKeyDelete(env))
}

func newKeyList(env *command.Env) *cobra.Command {
	return noun.List[api.UserKey]{
		Short:   "List public keys",
		Example: `  paragonctl user key list`,
		Empty:   "No keys: users have no tokens of their own.",
		Items: noun.All("the keys of users", func(ctx context.Context, c *api.Client, _ string) (*api.List[api.UserKey], error) {
			return c.UserKeys(ctx)
		}),
		Name:    func(k api.UserKey) string { return k.ID },
		Columns: []output.Column{{Title: "KID"}, {Title: "ALGORITHM"}, {Title: "AGE"}, {Title: "BY"}},
		Row: func(k api.UserKey) []string {
			return []string{k.ID, k.Algorithm, output.Age(env.Now(), k.CreatedAt), k.CreatedBy}
		},
	}.Command(env)
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
	return noun.End{
		Use:     "delete KID...",
		Short:   "Remove public keys: tokens that they signed count no longer",
		Example: `  paragonctl user key delete 2025-11 --yes`,
		Arg:     "the id of a key", Most: -1,
		Kind: "user-key", Verb: "delete", Did: "deleted",
		End:   func(ctx context.Context, c *api.Client, id string) error { return c.DeleteUserKey(ctx, id) },
		Tries: map[int]string{command.ExitNotFound: "`paragonctl user key list` lists them"},
	}.Command(env)
}
