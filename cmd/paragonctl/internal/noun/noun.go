package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/schema/api"
)

// listing is a command that lists things: where they come from, and how they
// are shown.
type listing[T any] struct {
	short, example string
	// empty is said for people when there are none.
	empty   string
	items   func(ctx context.Context, env *command.Env) ([]T, error)
	name    func(T) string
	columns []output.Column
	row     func(T) []string
}

// command makes the command `list`.
func (l listing[T]) command(env *command.Env) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: l.short, Example: l.example,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			items, err := l.items(cmd.Context(), env)
			if err != nil {
				return err
			}
			view := output.ListOf(items, l.name)
			g := &output.Grid{Columns: l.columns}
			for _, item := range items {
				g.Rows = append(g.Rows, l.row(item))
			}
			view.Table, view.Empty = g, l.empty
			return out.Print(cmd.Context(), env.Streams, view)
		},
	}
	out.Register(cmd)
	return cmd
}

// allOf gathers what a server lists page by page.
func allOf[T any](what string, page func(ctx context.Context, client *api.Client, cursor string) (*api.List[T], error)) func(context.Context, *command.Env) ([]T, error) {
	return func(ctx context.Context, env *command.Env) ([]T, error) {
		client, err := env.Client()
		if err != nil {
			return nil, err
		}
		defer client.Close()
		var items []T
		for cursor, more := "", true; more; more = cursor != "" {
			p, err := page(ctx, client, cursor)
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", what, err)
			}
			items, cursor = append(items, p.Items...), p.NextCursor
		}
		return items, nil
	}
}

// ending is a command that ends things of the server, one after the other,
// once somebody has said yes.
type ending struct {
	use, short, example string
	// arg says what an argument is; most is how many there may be, -1 any
	// number.
	arg      string
	most     int
	complete cobra.CompletionFunc
	// kind is what the things are, verb what is done to them, and did what was:
	// "key", "delete", "deleted".
	kind, verb, did string
	// end ends one. tries says what to do about an error, by exit code.
	end   func(ctx context.Context, client *api.Client, name string) error
	tries map[int]string
}

// command makes the command.
func (e ending) command(env *command.Env) *cobra.Command {
	var yes bool
	var out output.Flags
	cmd := &cobra.Command{
		Use: e.use, Aliases: []string{"rm"},
		Short: e.short, Example: e.example,
		Args:              command.Args(1, e.most, e.arg),
		ValidArgsFunction: e.complete,
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			question := fmt.Sprintf("%s%s %s %s?", strings.ToUpper(e.verb[:1]), e.verb[1:], e.kind, strings.Join(names, ", "))
			if err := env.Confirmed(cmd, yes, question); err != nil {
				return err
			}
			var done []output.Did
			for _, name := range names {
				if err = e.end(cmd.Context(), client, name); err != nil {
					err = fmt.Errorf("%s %s %s: %w", e.verb, e.kind, name, err)
					if try := e.tries[command.ExitCode(err)]; try != "" {
						err = command.WithTry(err, try)
					}
					break
				}
				done = append(done, output.Did{Resource: e.kind + "/" + name, Action: e.did})
			}
			return out.PrintDone(cmd.Context(), env.Streams, done, err)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	out.Register(cmd)
	return cmd
}
