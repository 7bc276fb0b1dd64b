package command

import (
	"net/http"
	"strings"
	"time"

	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/schema/api/contexts"
)

// Env is what a command runs in. Nothing below it reads the process's own
// environment, clock or streams.
type Env struct {
	*terminal.Streams
	// Getenv reads a variable of the environment; empty for an unset one.
	Getenv func(string) string
	// Now is the clock of what is shown ("3 minutes ago").
	Now func() time.Time
	// Version names this build.
	Version string
	// HTTP makes the requests; nil is the client's own.
	HTTP *http.Client

	// Flags are the flags that every command has.
	Flags GlobalFlags
}

// GlobalFlags are the flags that every command has.
type GlobalFlags struct {
	Server, Project, Context string
	Debug, NoInput           bool
}

// Connection is which server a command talks to, as whom, and why.
type Connection struct {
	Server, Project, Token string
	// Context names the context that took part, empty for none.
	Context string
	// ServerFrom, ProjectFrom and TokenFrom say where each came from.
	ServerFrom, ProjectFrom, TokenFrom string
}

// ContextsPath is where the contexts file is.
func (e *Env) ContextsPath() (string, error) { return contexts.Path(e.Getenv) }

// Connection decides what to connect to: flag, then environment, then context,
// then default.
func (e *Env) Connection() (Connection, error) {
	name, nameFrom := e.Flags.Context, "--context"
	if name == "" {
		name, nameFrom = e.Getenv("PARAGON_CONTEXT"), "PARAGON_CONTEXT"
	}
	path, err := e.ContextsPath()
	var file *contexts.File
	if err == nil {
		file, err = contexts.Load(path)
	}
	if err != nil {
		// Without any context asked for, flags and environment may be enough.
		if name != "" || e.Flags.Server == "" && e.Getenv("PARAGON_SERVER") == "" {
			return Connection{}, err
		}
		file = &contexts.File{}
	}
	if name == "" {
		name, nameFrom = file.Current, path
	}
	known, ok := file.Contexts[name]
	if name != "" && !ok {
		return Connection{}, &Failure{
			Code: ExitUsage,
			Err:  failf("there is no context %q (asked for by %s)", name, nameFrom),
			Try:  "`paragonctl context list` shows them, `paragonctl auth login --context " + name + "` makes it",
		}
	}

	c := Connection{Context: name}
	from := "context " + name
	c.Server, c.ServerFrom = first(
		e.Flags.Server, "--server", e.Getenv("PARAGON_SERVER"), "PARAGON_SERVER",
		known.Server, from, api.DefaultServer, "default")
	c.Project, c.ProjectFrom = first(
		e.Flags.Project, "--project", e.Getenv("PARAGON_PROJECT"), "PARAGON_PROJECT",
		known.Project, from, schema.DefaultProject, "default")
	// A context's token is for the context's server: another server that is
	// named on the way must not be shown it.
	token := known.Token
	if !sameServer(c.Server, known.Server) {
		token = ""
	}
	c.Token, c.TokenFrom = first(e.Getenv("PARAGON_TOKEN"), "PARAGON_TOKEN", token, from, "", "none")
	return c, nil
}

// first picks the first value that is set, of pairs of value and origin.
func first(pairs ...string) (value, from string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] != "" {
			return pairs[i], pairs[i+1]
		}
	}
	return "", pairs[len(pairs)-1]
}

func sameServer(a, b string) bool {
	trim := func(s string) string {
		s = strings.TrimRight(s, "/")
		if !strings.Contains(s, "://") {
			s = "http://" + s
		}
		return strings.ToLower(s)
	}
	return trim(a) == trim(b)
}

// Client returns the client of the API for the connection.
func (e *Env) Client() (*api.Client, error) {
	c, err := e.Connection()
	if err != nil {
		return nil, err
	}
	return e.ClientFor(c), nil
}

// ClientFor returns the client of the API for a given connection.
func (e *Env) ClientFor(c Connection, more ...api.Option) *api.Client {
	opts := append([]api.Option{api.WithProject(c.Project), api.WithUserAgent("paragonctl/" + e.Version),
		api.WithTraceParent(e.Getenv("TRACEPARENT"))}, more...)
	if e.HTTP != nil {
		opts = append(opts, api.WithHTTPClient(e.HTTP))
	}
	return api.New(c.Server, c.Token, opts...)
}
