package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
	"paragon/schema/api/contexts"
)

// NewAuth makes the auth group.
func NewAuth(env *command.Env) *cobra.Command {
	return command.NewGroup("auth", "Log in, log out and show who you are", newLogin(env), newAccept(env), newStatus(env), newLogout(env))
}

// LoginOptions are what `auth login` takes.
type LoginOptions struct {
	env       *command.Env
	withToken bool
	device    bool
	email     string
}

func newLogin(env *command.Env) *cobra.Command {
	o := &LoginOptions{env: env}
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Keep the token of an API key for a server",
		Long: `Keep the token of an API key for a server, in a context. The token is asked for, or
read from standard input with --with-token; it is tried before it is kept.

With --email a person logs in by password; with --device in a browser, on any
machine, at the OpenID provider that the server names: no password is needed here.

--server and --project are kept with it. The context is the one that --context
names, else the current one, else "default".`,
		Example: `  paragonctl auth login --server https://paragon.example.org --context prod
  paragonctl auth login --device
  paragonctl auth login --with-token < token.txt`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.device && (o.email != "" || o.withToken) {
				return command.Usage("--device takes neither --email nor --with-token: the provider asks who you are")
			}
			return o.keep(cmd.Context(), o.token)
		},
	}
	cmd.Flags().BoolVar(&o.device, "device", false, "log in in a browser, at the server's OpenID provider")
	cmd.Flags().StringVar(&o.email, "email", "", "log in as this person; the password is asked for, or read from standard input with --with-token")
	cmd.Flags().BoolVar(&o.withToken, "with-token", false, "read the token from standard input")
	return cmd
}

// keep gets a token for the server, tries it, and keeps it in the context.
func (o *LoginOptions) keep(ctx context.Context, token func(ctx context.Context, server string) (string, error)) error {
	path, err := o.env.ContextsPath()
	if err != nil {
		return err
	}
	file, err := contexts.Load(path)
	if err != nil {
		return err
	}
	name := o.env.Flags.Context
	for _, candidate := range []string{o.env.Getenv("PARAGON_CONTEXT"), file.Current, "default"} {
		if name == "" {
			name = candidate
		}
	}
	if err := contexts.CheckName(name); err != nil {
		return command.Usage("%s", err)
	}
	// A context that login is about to make is not one to look up.
	known := file.Contexts[name]
	c := contexts.Context{
		Server:  firstOf(o.env.Flags.Server, o.env.Getenv("PARAGON_SERVER"), known.Server, api.DefaultServer),
		Project: firstOf(o.env.Flags.Project, o.env.Getenv("PARAGON_PROJECT"), known.Project),
	}
	if c.Token, err = token(ctx, c.Server); err != nil {
		return err
	}
	client := o.env.ClientFor(command.Connection{Server: c.Server, Project: c.Project, Token: c.Token})
	defer client.Close()
	who, err := client.WhoAmI(ctx)
	if err != nil {
		err = fmt.Errorf("log in to %s: %w", c.Server, err)
		if command.ExitCode(err) == command.ExitRefused {
			return command.WithTry(err, "check the token; an admin makes one with `paragonctl key create`")
		}
		return err
	}
	if c.Project == "" {
		c.Project = who.Project
	}
	if err := contexts.Update(path, func(f *contexts.File) error {
		f.Contexts[name] = c
		f.Current = name
		return nil
	}); err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	fmt.Fprintf(o.env.Err, "Logged in to %s as %s (%s). Context %s is current.\n",
		terminal.Safe(c.Server), terminal.Safe(who.Name), terminal.Safe(who.Role), name)
	return nil
}

// token is the token of a key, or of a person's new session.
func (o *LoginOptions) token(ctx context.Context, server string) (token string, err error) {
	switch {
	case o.device:
		token, err = o.byDevice(ctx, server)
	case o.withToken:
		token, err = o.env.ReadSecret()
	default:
		what := "Token"
		if o.email != "" {
			what = "Password of " + o.email
		}
		token, err = o.env.AskSecret(ctx, what+" for "+server)
	}
	if errors.Is(err, terminal.ErrNoPrompt) {
		return "", &command.Failure{Code: command.ExitUsage, Err: errors.New("log in: there is no terminal to ask for the token"),
			Try: "`paragonctl auth login --with-token < FILE`, or set PARAGON_TOKEN"}
	}
	if err != nil {
		return "", fmt.Errorf("log in: %w", err)
	}
	if token == "" {
		return "", &command.Failure{Code: command.ExitInvalid, Err: errors.New("log in: the token is empty")}
	}
	if o.email == "" {
		return token, nil
	}
	anonymous := o.env.ClientFor(command.Connection{Server: server})
	defer anonymous.Close()
	session, err := anonymous.Login(ctx, o.email, token)
	if err != nil {
		return "", fmt.Errorf("log in to %s as %s: %w", server, o.email, err)
	}
	return session.Token, nil
}

// byDevice lets the person log in in a browser and returns the session's token.
func (o *LoginOptions) byDevice(ctx context.Context, server string) (string, error) {
	client := o.env.ClientFor(command.Connection{Server: server})
	defer client.Close()
	login, err := client.StartDevice(ctx)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(o.env.Err, "Open %s in a browser and type the code %s\n", terminal.Safe(login.VerificationURI), terminal.Safe(login.UserCode))
	if login.VerificationURIComplete != "" {
		fmt.Fprintf(o.env.Err, "(or open %s)\n", terminal.Safe(login.VerificationURIComplete))
	}
	fmt.Fprintf(o.env.Err, "Waiting for you to answer there, until %s …\n", output.Clock(login.ExpiresAt))
	session, err := client.AwaitDevice(ctx, login)
	if err != nil {
		return "", err
	}
	return session.Token, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// StatusOptions are what `auth status` takes.
type StatusOptions struct {
	env *command.Env
	out output.Flags
}

func newStatus(env *command.Env) *cobra.Command {
	o := &StatusOptions{env: env}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the server, the project, who you are and why",
		Example: `  paragonctl auth status
  paragonctl auth status --context production -o json`,
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

func (o *StatusOptions) run(ctx context.Context) error {
	c, err := o.env.Connection()
	if err != nil {
		return err
	}
	client := o.env.ClientFor(c)
	defer client.Close()
	who, whoErr := client.WhoAmI(ctx)
	view := output.View{
		Names: []string{c.Server},
		Text: func(w io.Writer, style terminal.Style) error {
			line := func(name, value, from string) {
				fmt.Fprintf(w, "%s %s %s\n", style.Bold(fmt.Sprintf("%-8s", name)), terminal.Safe(value), style.Dim("("+from+")"))
			}
			line("Server", c.Server, c.ServerFrom)
			line("Project", c.Project, c.ProjectFrom)
			token := "***"
			if c.Token == "" {
				token = "none"
			}
			line("Token", token, c.TokenFrom)
			if who != nil {
				expires := "never expires"
				if !who.Expires.IsZero() {
					expires = "expires " + output.Clock(who.Expires)
				}
				line("You", who.Name+", "+who.Role, expires)
			}
			return nil
		},
	}
	value := map[string]any{
		"server": c.Server, "project": c.Project, "context": c.Context, "hasToken": c.Token != "",
		"serverFrom": c.ServerFrom, "projectFrom": c.ProjectFrom, "tokenFrom": c.TokenFrom,
	}
	if who != nil {
		value["name"], value["role"] = who.Name, who.Role
		if !who.Expires.IsZero() {
			value["expires"] = who.Expires
		}
	}
	view.Value = value
	if err := o.out.Print(ctx, o.env.Streams, view); err != nil {
		return err
	}
	if whoErr != nil {
		return fmt.Errorf("ask the server who you are: %w", whoErr)
	}
	return nil
}

func newLogout(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Forget the token of the context",
		Long: `Forget the token of the context. A person's login ends on the server, too; a key
itself stays valid: "key delete" ends it.`,
		Example: `  paragonctl auth logout`,
		Args:    command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := env.Connection()
			if err != nil {
				return err
			}
			if c.Context == "" {
				return &command.Failure{Code: command.ExitNotFound, Err: errors.New("log out: there is no context"), Try: "`paragonctl context list`"}
			}
			path, err := env.ContextsPath()
			if err != nil {
				return err
			}
			if strings.HasPrefix(c.Token, "pgs_") {
				client := env.ClientFor(c)
				defer client.Close()
				if err := client.Logout(cmd.Context()); err != nil && command.ExitCode(err) != command.ExitRefused {
					return fmt.Errorf("end the login on the server: %w", err)
				}
			}
			if err := contexts.Update(path, func(f *contexts.File) error {
				known := f.Contexts[c.Context]
				known.Token = ""
				f.Contexts[c.Context] = known
				return nil
			}); err != nil {
				return fmt.Errorf("log out: %w", err)
			}
			fmt.Fprintf(env.Err, "The token of context %s is forgotten.\n", c.Context)
			return nil
		},
	}
}
