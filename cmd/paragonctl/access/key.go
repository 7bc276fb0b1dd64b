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

// KeyListOptions are what `key list` takes.
type KeyListOptions struct {
	env *command.Env
	out output.Flags
}

func newKeyList(env *command.Env) *cobra.Command {
	o := &KeyListOptions{env: env}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: "List API keys: roles, expiry and last use, never tokens",
		Example: `  paragonctl key list
  paragonctl key list -o wide`,
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

func (o *KeyListOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	var keys []api.Key
	for cursor, more := "", true; more; more = cursor != "" {
		page, err := client.Keys(ctx, cursor)
		if err != nil {
			return fmt.Errorf("list keys: %w", err)
		}
		keys = append(keys, page.Items...)
		cursor = page.NextCursor
	}
	now := o.env.Now()
	view := output.ListOf(keys, func(k api.Key) string { return k.ID })
	g := &output.Grid{Columns: []output.Column{
		{Title: "ID"}, {Title: "NAME", Cut: true}, {Title: "ROLE"}, {Title: "AGE"}, {Title: "EXPIRES"}, {Title: "LAST USED"}, {Title: "SCOPE", Wide: true}, {Title: "BY", Wide: true},
	}}
	for _, k := range keys {
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
		g.Rows = append(g.Rows, []string{k.ID, k.Name, k.Role, output.Age(now, k.CreatedAt), expires, used, strings.Join(k.Scope, ","), k.CreatedBy})
	}
	view.Table, view.Empty = g, "No keys."
	return o.out.Print(ctx, o.env.Streams, view)
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

// KeyDeleteOptions are what `key delete` takes.
type KeyDeleteOptions struct {
	env *command.Env
	cmd *cobra.Command
	ids []string
	yes bool
	out output.Flags
}

func newKeyDelete(env *command.Env) *cobra.Command {
	o := &KeyDeleteOptions{env: env}
	cmd := &cobra.Command{
		Use: "delete ID...", Aliases: []string{"rm"},
		Short:             "End API keys; requests with their tokens are refused from then on",
		Example:           `  paragonctl key delete k01jd9q2v5m8x4t7`,
		Args:              command.Args(1, -1, "the id of a key"),
		ValidArgsFunction: complete.Keys(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.ids = cmd, args
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.yes, "yes", false, "don't ask")
	o.out.Register(cmd)
	return cmd
}

func (o *KeyDeleteOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := o.env.Confirmed(o.cmd, o.yes, "Delete key "+strings.Join(o.ids, ", ")+"?"); err != nil {
		return err
	}
	var done []output.Did
	for _, id := range o.ids {
		if err := client.DeleteKey(ctx, id); err != nil {
			err = fmt.Errorf("delete key %s: %w", id, err)
			if command.ExitCode(err) == command.ExitNotFound {
				err = command.WithTry(err, "`paragonctl key list` lists them")
			}
			return o.out.PrintDone(ctx, o.env.Streams, done, err)
		}
		done = append(done, output.Did{Resource: "key/" + id, Action: "deleted"})
	}
	return o.out.PrintDone(ctx, o.env.Streams, done, nil)
}
