package noun

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/schema/api"
)

// List is a command that lists things: where they come from, and how they
// are shown.
type List[T any] struct {
	// Use is what it is called; empty is "list".
	Use            string
	Short, Example string
	// Arg says what its one argument is, and Take takes it when it is given;
	// without Take there is none.
	Arg  string
	Take func(arg string)
	// Empty is said for people when there are none.
	Empty   string
	Items   func(ctx context.Context, env *command.Env) ([]T, error)
	Name    func(T) string
	Columns []output.Column
	Row     func(T) []string
}

// Command makes the command.
func (l List[T]) Command(env *command.Env) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: l.Short, Example: l.Example,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			for _, arg := range args {
				l.Take(arg)
			}
			items, err := l.Items(cmd.Context(), env)
			if err != nil {
				return err
			}
			view := output.ListOf(items, l.Name)
			g := &output.Grid{Columns: l.Columns}
			for _, item := range items {
				g.Rows = append(g.Rows, l.Row(item))
			}
			view.Table, view.Empty = g, l.Empty
			return out.Print(cmd.Context(), env.Streams, view)
		},
	}
	if l.Use != "" {
		cmd.Use, cmd.Aliases = l.Use, nil
	}
	if l.Take != nil {
		cmd.Args = command.Args(0, 1, l.Arg)
	}
	out.Register(cmd)
	return cmd
}

// All gathers what a server lists page by page.
func All[T any](what string, page func(ctx context.Context, client *api.Client, cursor string) (*api.List[T], error)) func(context.Context, *command.Env) ([]T, error) {
	return First(what, new(int), page)
}

// First gathers the first of what a server lists page by page: most of them,
// which a flag may set, or all with 0.
func First[T any](what string, most *int, page func(ctx context.Context, client *api.Client, cursor string) (*api.List[T], error)) func(context.Context, *command.Env) ([]T, error) {
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
			if *most > 0 && len(items) >= *most {
				return items[:*most], nil
			}
		}
		return items, nil
	}
}

// End is a command that ends things of the server, one after the other,
// once somebody has said yes.
type End struct {
	Use, Short, Example string
	// Arg says what an argument is; Most is how many there may be, -1 any
	// number.
	Arg      string
	Most     int
	Complete cobra.CompletionFunc
	// Kind is what the things are, Verb what is done to them, and Did what was:
	// "key", "delete", "deleted".
	Kind, Verb, Did string
	// End ends one. Tries says what to do about an error, by exit code.
	End   func(ctx context.Context, client *api.Client, name string) error
	Tries map[int]string
}

// Command makes the command.
func (e End) Command(env *command.Env) *cobra.Command {
	var yes bool
	var out output.Flags
	cmd := &cobra.Command{
		Use: e.Use, Aliases: []string{"rm"},
		Short: e.Short, Example: e.Example,
		Args:              command.Args(1, e.Most, e.Arg),
		ValidArgsFunction: e.Complete,
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			question := fmt.Sprintf("%s%s %s %s?", strings.ToUpper(e.Verb[:1]), e.Verb[1:], e.Kind, strings.Join(names, ", "))
			if err := env.Confirmed(cmd, yes, question); err != nil {
				return err
			}
			var done []output.Did
			for _, name := range names {
				if err = e.End(cmd.Context(), client, name); err != nil {
					err = fmt.Errorf("%s %s %s: %w", e.Verb, e.Kind, name, err)
					if try := e.Tries[command.ExitCode(err)]; try != "" {
						err = command.WithTry(err, try)
					}
					break
				}
				done = append(done, output.Did{Resource: e.Kind + "/" + name, Action: e.Did})
			}
			return out.PrintDone(cmd.Context(), env.Streams, done, err)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "don't ask")
	out.Register(cmd)
	return cmd
}
