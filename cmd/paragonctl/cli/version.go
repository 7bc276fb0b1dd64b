package cli

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
	"paragon/schema/api/buildinfo"
)

// Version names this build.
func Version() string { return buildinfo.Read("client").Version }

// VersionOptions are what `version` takes.
type VersionOptions struct {
	env    *command.Env
	client bool
	out    output.Flags
}

func newVersion(env *command.Env) *cobra.Command {
	o := &VersionOptions{env: env}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the versions of paragonctl and of the server",
		Example: `  paragonctl version
  paragonctl version --client -o json`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.client, "client", false, "don't ask the server")
	o.out.Register(cmd)
	return cmd
}

func (o *VersionOptions) run(ctx context.Context) error {
	own := buildinfo.Read("client")
	own.Version = o.env.Version
	value := map[string]any{"client": own}
	var (
		server *api.Version
		err    error
	)
	if !o.client {
		client, connErr := o.env.Client()
		if connErr != nil {
			return connErr
		}
		defer client.Close()
		if server, err = client.Version(ctx); err == nil {
			value["server"] = server
		}
	}
	printErr := o.out.Print(ctx, o.env.Streams, output.View{
		Value: value, Names: []string{own.Version},
		Text: func(w io.Writer, _ terminal.Style) error {
			fmt.Fprintf(w, "paragonctl %s (%s, %s/%s)\n", own.Version, own.Go, runtime.GOOS, runtime.GOARCH)
			if server != nil {
				fmt.Fprintf(w, "server     %s (%s, %s)\n", terminal.Safe(server.Version), terminal.Safe(server.Go), terminal.Safe(server.Mode))
			}
			return nil
		},
	})
	if printErr != nil {
		return printErr
	}
	if err != nil {
		return command.WithTry(fmt.Errorf("ask the server for its version: %w", err), "`paragonctl version --client` leaves the server out")
	}
	return nil
}
