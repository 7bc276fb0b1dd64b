package access

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/noun"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api/contexts"
)

// NewContext makes the context group.
func NewContext(env *command.Env) *cobra.Command {
	return command.NewGroup("context", "List, choose and change the servers that you work with",
		newContextList(env), newContextUse(env), newContextSet(env), newContextView(env))
}

// shownContext is a context without its token.
type shownContext struct {
	Name     string `json:"name"`
	Server   string `json:"server"`
	Project  string `json:"project,omitempty"`
	HasToken bool   `json:"hasToken"`
	Current  bool   `json:"current"`
}

func shown(f *contexts.File, name string) shownContext {
	c := f.Contexts[name]
	return shownContext{Name: name, Server: c.Server, Project: c.Project, HasToken: c.Token != "", Current: name == f.Current}
}

func newContextList(env *command.Env) *cobra.Command {
	return noun.List[shownContext]{
		Short: "List contexts",
		Example: `  paragonctl context list
  paragonctl context list -o json`,
		Empty: "No contexts. `paragonctl auth login` makes one, and so does `paragond dev`.",
		Items: func(context.Context, *command.Env) (items []shownContext, err error) {
			_, f, err := loadContexts(env)
			if err != nil {
				return nil, err
			}
			for _, name := range f.Names() {
				items = append(items, shown(f, name))
			}
			return items, nil
		},
		Name:    func(c shownContext) string { return c.Name },
		Columns: []output.Column{{Title: "CURRENT"}, {Title: "NAME"}, {Title: "SERVER"}, {Title: "PROJECT"}, {Title: "TOKEN"}},
		Row:     contextRow,
	}.Command(env)
}

func contextRow(c shownContext) []string {
	current, token := "", "none"
	if c.Current {
		current = "*"
	}
	if c.HasToken {
		token = "***"
	}
	return []string{current, c.Name, c.Server, c.Project, token}
}

func loadContexts(env *command.Env) (path string, f *contexts.File, err error) {
	if path, err = env.ContextsPath(); err != nil {
		return "", nil, err
	}
	f, err = contexts.Load(path)
	return path, f, err
}

// CompleteContexts completes the first argument with the names of the contexts.
func CompleteContexts(env *command.Env) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		_, f, err := loadContexts(env)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f.Names(), cobra.ShellCompDirectiveNoFileComp
	}
}

func newContextUse(env *command.Env) *cobra.Command {
	var out output.Flags
	cmd := &cobra.Command{
		Use:               "use NAME",
		Short:             "Make a context the current one",
		Example:           `  paragonctl context use production`,
		Args:              command.Args(1, 1, "a context's name"),
		ValidArgsFunction: CompleteContexts(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			path, err := env.ContextsPath()
			if err != nil {
				return err
			}
			if err := contexts.Update(path, func(f *contexts.File) error {
				if _, ok := f.Contexts[args[0]]; !ok {
					return noContext(args[0])
				}
				f.Current = args[0]
				return nil
			}); err != nil {
				return err
			}
			if !out.ForPeople() {
				return out.PrintDone(cmd.Context(), env.Streams, []output.Did{{Resource: "context/" + args[0], Action: "current"}}, nil)
			}
			fmt.Fprintf(env.Err, "Context %s is current.\n", args[0])
			return nil
		},
	}
	out.Register(cmd)
	return cmd
}

func noContext(name string) error {
	return &command.Failure{Code: command.ExitNotFound, Err: fmt.Errorf("there is no context %q", name), Try: "`paragonctl context list` shows them"}
}

func newContextSet(env *command.Env) *cobra.Command {
	var remove bool
	var out output.Flags
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Make or change a context, with --server and --project",
		Long: `Make or change a context, with --server and --project. A token is added with
"auth login --context NAME". When the server changes, the token, which was for
the old one, is dropped.`,
		Example:           `  paragonctl context set prod --server https://paragon.example.org --project shop`,
		Args:              command.Args(1, 1, "a context's name"),
		ValidArgsFunction: CompleteContexts(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			name := args[0]
			if err := contexts.CheckName(name); err != nil {
				return command.Usage("%s", err)
			}
			path, err := env.ContextsPath()
			if err != nil {
				return err
			}
			if err := contexts.Update(path, func(f *contexts.File) error {
				c, known := f.Contexts[name]
				if remove {
					if !known {
						return noContext(name)
					}
					delete(f.Contexts, name)
					if f.Current == name {
						f.Current = ""
					}
					return nil
				}
				if env.Flags.Server == "" && env.Flags.Project == "" {
					return command.Usage("context set needs --server, --project or --remove")
				}
				if env.Flags.Server != "" && env.Flags.Server != c.Server {
					c.Server, c.Token = env.Flags.Server, ""
				}
				if c.Server == "" {
					return command.Usage("a new context needs --server")
				}
				if env.Flags.Project != "" {
					c.Project = env.Flags.Project
				}
				f.Contexts[name] = c
				if _, ok := f.Contexts[f.Current]; !ok {
					f.Current = name
				}
				return nil
			}); err != nil {
				return err
			}
			word := "saved"
			if remove {
				word = "removed"
			}
			if !out.ForPeople() {
				return out.PrintDone(cmd.Context(), env.Streams, []output.Did{{Resource: "context/" + name, Action: word}}, nil)
			}
			fmt.Fprintf(env.Err, "Context %s %s.\n", name, word)
			return nil
		},
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "remove the context")
	out.Register(cmd)
	return cmd
}

// ContextViewOptions are what `context view` takes.
type ContextViewOptions struct {
	env  *command.Env
	name string
	out  output.Flags
}

func newContextView(env *command.Env) *cobra.Command {
	o := &ContextViewOptions{env: env}
	cmd := &cobra.Command{
		Use:   "view [NAME]",
		Short: "Show a context, by default the current one, without its token",
		Example: `  paragonctl context view
  paragonctl context view staging -o json`,
		Args:              command.Args(0, 1, "a context's name"),
		ValidArgsFunction: CompleteContexts(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.name = args[0]
			}
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	return cmd
}

func (o *ContextViewOptions) run(ctx context.Context) error {
	path, f, err := loadContexts(o.env)
	if err != nil {
		return err
	}
	name := firstOf(o.name, o.env.Flags.Context, o.env.Getenv("PARAGON_CONTEXT"), f.Current)
	if name == "" {
		return &command.Failure{Code: command.ExitNotFound, Err: errors.New("there is no current context"), Try: "`paragonctl context use NAME`, or `paragonctl auth login`"}
	}
	if _, ok := f.Contexts[name]; !ok {
		return noContext(name)
	}
	c := shown(f, name)
	return o.out.Print(ctx, o.env.Streams, output.View{
		Value: c, Names: []string{name},
		Text: func(w io.Writer, style terminal.Style) error {
			token := "none"
			if c.HasToken {
				token = "***"
			}
			_, err := fmt.Fprintf(w, "name     %s\nserver   %s\nproject  %s\ntoken    %s\nfile     %s\n",
				terminal.Safe(c.Name), terminal.Safe(c.Server), terminal.Safe(c.Project), token, terminal.Safe(path))
			return err
		},
	})
}
