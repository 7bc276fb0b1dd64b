package users

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/noun"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// NewUser makes the user group.
func NewUser(env *command.Env) *cobra.Command {
	cmd := command.NewGroup("user", "List, create, change and delete the product's users",
		newList(env), newGet(env), newSet(env),
		newSwitch(env, "disable", "Keep users from acting, and what runs for them from going on", true),
		newSwitch(env, "enable", "Let disabled users act again", false),
		newDelete(env), newKey(env), newWorkflow(env))
	cmd.Aliases = []string{"users"}
	return cmd
}

// ListOptions are what `user list` takes.
type ListOptions struct {
	env   *command.Env
	limit int
	out   output.Flags
}

func newList(env *command.Env) *cobra.Command {
	o := &ListOptions{env: env}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: "List the product's users by id",
		Example: `  paragonctl user list
  paragonctl user list -o jsonl --limit 0 | jq -r 'select(.meta.plan == "pro") | .id'`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&o.limit, "limit", 100, "at most this many; 0: all")
	o.out.Register(cmd)
	return cmd
}

func (o *ListOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	var users []api.User
	for cursor, more := "", true; more; {
		size := 1000
		if o.limit > 0 {
			size = min(size, o.limit-len(users))
		}
		page, err := client.Users(ctx, cursor, size)
		if err != nil {
			return fmt.Errorf("list users: %w", err)
		}
		users = append(users, page.Items...)
		cursor = page.NextCursor
		more = cursor != "" && (o.limit <= 0 || len(users) < o.limit)
	}
	now := o.env.Now()
	view := output.ListOf(users, func(u api.User) string { return u.ID })
	g := &output.Grid{Columns: []output.Column{{Title: "ID", Cut: true}, {Title: "STATE"}, {Title: "AGE"}, {Title: "META", Cut: true}}}
	for _, u := range users {
		g.Rows = append(g.Rows, []string{u.ID, stateOf(u), output.Age(now, u.CreatedAt), string(u.Meta)})
	}
	view.Table, view.Empty = g, "No users."
	return o.out.Print(ctx, o.env.Streams, view)
}

func stateOf(u api.User) string {
	if u.Disabled {
		return "disabled"
	}
	return "active"
}

// printUser prints one user.
func printUser(ctx context.Context, env *command.Env, out *output.Flags, u *api.User, did string) error {
	return out.Print(ctx, env.Streams, output.View{Value: u, Names: []string{u.ID}, Text: func(w io.Writer, style terminal.Style) error {
		if did != "" {
			_, err := fmt.Fprintf(w, "user/%s %s\n", terminal.Safe(u.ID), style.Action(did))
			return err
		}
		_, err := fmt.Fprintf(w, "id:       %s\nstate:    %s\ncreated:  %s\nupdated:  %s\nmeta:     %s\n", terminal.Safe(u.ID), stateOf(*u),
			output.Clock(u.CreatedAt), output.Clock(u.UpdatedAt), terminal.Safe(string(u.Meta)))
		return err
	}})
}

func newGet(env *command.Env) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use:               "get ID",
		Short:             "Show a user",
		Example:           `  paragonctl user get u_1 -o json`,
		Args:              command.Args(1, 1, "the id of a user"),
		ValidArgsFunction: complete.Users(env, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			u, err := client.User(cmd.Context(), args[0])
			if err != nil {
				return notFound(fmt.Errorf("get user %s: %w", args[0], err))
			}
			return printUser(cmd.Context(), env, &out, u, "")
		},
	}
	out.Register(cmd)
	return cmd
}

// usersAreListed says what to do about a user who is not there.
const usersAreListed = "`paragonctl user list` lists them"

// notFound adds where users are listed.
func notFound(err error) error {
	if command.ExitCode(err) == command.ExitNotFound {
		return command.WithTry(err, usersAreListed)
	}
	return err
}

// SetOptions are what `user set` takes.
type SetOptions struct {
	env            *command.Env
	id             string
	meta, metaFile string
	out            output.Flags
}

func newSet(env *command.Env) *cobra.Command {
	o := &SetOptions{env: env}
	cmd := &cobra.Command{
		Use:   "set ID",
		Short: "Create a user, or change what is known of one",
		Long: `Create a user, or change what is known of one. Meta is a JSON object that workflows
read as user.meta; without --meta it stays as it is.`,
		Example: `  paragonctl user set u_1 --meta '{"plan": "pro"}'
  jq .account customer.json | paragonctl user set u_1 --meta-file -`,
		Args:              command.Args(1, 1, "the id of a user"),
		ValidArgsFunction: complete.Users(env, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			if o.meta != "" && o.metaFile != "" {
				return command.Usage("--meta and --meta-file exclude each other")
			}
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.meta, "meta", "", "what is known of the user, a JSON object")
	cmd.Flags().StringVar(&o.metaFile, "meta-file", "", "the same from a file, or - for standard input")
	o.out.Register(cmd)
	return cmd
}

func (o *SetOptions) run(ctx context.Context) error {
	meta := []byte(o.meta)
	if o.metaFile != "" {
		var err error
		if meta, err = readFile(o.env, o.metaFile); err != nil {
			return err
		}
	}
	if len(meta) > 0 && !json.Valid(meta) {
		return &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("set user %s: meta is not JSON", o.id), Try: `write it like '{"plan": "pro"}'`}
	}
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	u, err := client.PutUser(ctx, o.id, api.PutUserRequest{Meta: meta})
	if err != nil {
		return fmt.Errorf("set user %s: %w", o.id, err)
	}
	return printUser(ctx, o.env, &o.out, u, "set")
}

// readFile reads a file, or standard input.
func readFile(env *command.Env, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(env.In)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &command.Failure{Code: command.ExitInvalid, Err: err}
	}
	return text, nil
}

func newSwitch(env *command.Env, name, short string, disabled bool) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use:               name + " ID...",
		Short:             short,
		Example:           `  paragonctl user ` + name + ` u_1`,
		Args:              command.Args(1, -1, "the id of a user"),
		ValidArgsFunction: complete.Users(env, 0),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			var done []output.Did
			for _, id := range args {
				// Only one that exists: a slip must not create a user.
				_, err := client.User(cmd.Context(), id)
				if err == nil {
					_, err = client.PutUser(cmd.Context(), id, api.PutUserRequest{Disabled: &disabled})
				}
				if err != nil {
					return out.PrintDone(cmd.Context(), env.Streams, done, notFound(fmt.Errorf("%s user %s: %w", name, id, err)))
				}
				done = append(done, output.Did{Resource: "user/" + id, Action: name + "d"})
			}
			return out.PrintDone(cmd.Context(), env.Streams, done, nil)
		},
	}
	out.Register(cmd)
	return cmd
}

func newDelete(env *command.Env) *cobra.Command {
	return noun.End{
		Use:     "delete ID...",
		Short:   "Remove users with their credentials",
		Example: `  paragonctl user delete u_1 --yes`,
		Arg:     "the id of a user", Most: -1, Complete: complete.Users(env, 0),
		Kind: "user", Verb: "delete", Did: "deleted",
		End:   func(ctx context.Context, c *api.Client, id string) error { return c.DeleteUser(ctx, id) },
		Tries: map[int]string{command.ExitNotFound: usersAreListed},
	}.Command(env)
}
