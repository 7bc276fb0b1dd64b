package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/noun"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// roles are what a key may be, from all to least.
var roles = []string{"owner", "admin", "developer", "operator", "viewer"}

// NewKey makes the key group.
func NewKey(env *command.Env) *cobra.Command {
	cmd := command.NewGroup("key", "List, create, rotate and delete API keys", newKeyList(env), newKeyCreate(env), newKeyRotate(env), newKeyDelete(env))
	cmd.Aliases = []string{"keys"}
	return cmd
}

func newKeyList(env *command.Env) *cobra.Command {
	return noun.List[api.Key]{
		Short: "List API keys: roles, expiry and last use, never tokens",
		Example: `  paragonctl key list
  paragonctl key list -o wide`,
		Empty: "No keys.",
		Items: noun.All("keys", func(ctx context.Context, c *api.Client, cursor string) (*api.List[api.Key], error) {
			return c.Keys(ctx, cursor)
		}),
		Name: func(k api.Key) string { return k.ID },
		Columns: []output.Column{
			{Title: "ID"}, {Title: "NAME", Cut: true}, {Title: "ROLE"}, {Title: "AGE"}, {Title: "EXPIRES"}, {Title: "LAST USED"}, {Title: "SCOPE", Wide: true}, {Title: "BY", Wide: true},
		},
		Row: func(k api.Key) []string { return keyRow(k, env.Now()) },
	}.Command(env)
}

func keyRow(k api.Key, now time.Time) []string {
	expires := "never"
	if !k.ExpiresAt.IsZero() {
		expires = output.Clock(k.ExpiresAt)
		if k.ExpiresAt.Before(now) {
			expires = "expired"
		}
	}
	used := "never"
	if !k.LastUsed.IsZero() {
		used = output.Age(now, k.LastUsed) + " ago"
	}
	return []string{k.ID, k.Name, k.Role, output.Age(now, k.CreatedAt), expires, used, strings.Join(k.Scope, ","), k.CreatedBy}
}

// KeyCreateOptions are what `key create` takes.
type KeyCreateOptions struct {
	env     *command.Env
	name    string
	role    string
	scope   []string
	expires command.Duration
	out     output.Flags
}

func newKeyCreate(env *command.Env) *cobra.Command {
	o := &KeyCreateOptions{env: env}
	cmd := &cobra.Command{
		Use:   "create NAME --role ROLE",
		Short: "Create an API key and print its token, this once",
		Long: `Create an API key and print its token. The server keeps only a hash, so the token
is shown this once: pipe it to where it belongs.`,
		Example: `  paragonctl key create ci --role developer --expires 90d | gh secret set PARAGON_TOKEN
  paragonctl key create shop-backend --role operator --scope runs.trigger,runs.read`,
		Args: command.Args(1, 1, "a name for the key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			if !slices.Contains(roles, o.role) {
				return command.Usage("--role %q: the roles are %s", o.role, strings.Join(roles, ", "))
			}
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.role, "role", "", "what the key may do: "+strings.Join(roles, ", "))
	cmd.Flags().StringSliceVar(&o.scope, "scope", nil, "only these of what the role may, such as runs.trigger,runs.read (default: all)")
	cmd.Flags().Var(&o.expires, "expires", "end the key after this time, such as 90d (default: never)")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(roles, cobra.ShellCompDirectiveNoFileComp))
	o.out.Register(cmd)
	return cmd
}

func (o *KeyCreateOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	req := api.CreateKeyRequest{Name: o.name, Role: o.role, Scope: o.scope}
	if o.expires > 0 {
		req.ExpiresAt = o.env.Now().Add(time.Duration(o.expires)).UTC().Truncate(time.Second)
	}
	key, err := client.CreateKey(ctx, req)
	if err != nil {
		return fmt.Errorf("create key %s: %w", o.name, err)
	}
	if !o.out.ForPeople() {
		return o.out.Print(ctx, o.env.Streams, output.View{Value: key, Names: []string{key.ID}})
	}
	fmt.Fprintf(o.env.Err, "Key %s (%s, %s). Its token is shown this once:\n", terminal.Safe(key.ID), terminal.Safe(key.Name), terminal.Safe(key.Role))
	_, err = fmt.Fprintln(o.env.Out, terminal.Safe(key.Token))
	return err
}

func newKeyDelete(env *command.Env) *cobra.Command {
	return noun.End{
		Use:     "delete ID...",
		Short:   "End API keys; requests with their tokens are refused from then on",
		Example: `  paragonctl key delete k01jd9q2v5m8x4t7`,
		Arg:     "the id of a key", Most: -1, Complete: complete.Keys(env),
		Kind: "key", Verb: "delete", Did: "deleted",
		End:   func(ctx context.Context, c *api.Client, id string) error { return c.DeleteKey(ctx, id) },
		Tries: map[int]string{command.ExitNotFound: "`paragonctl key list` lists them"},
	}.Command(env)
}
