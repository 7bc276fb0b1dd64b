package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"paragon/engine/queue"
	"paragon/schema/api/buildinfo"
)

// usageError is an error of the command line: it exits with 2.
type usageError struct{ error }

func exitCode(err error) int {
	var usage usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "paragond",
		Short: "Run Paragon's API, workers, scheduler and flusher",
		Long: "paragond is Paragon's headless daemon.\n\n" +
			"`paragond dev` needs nothing installed. `paragond serve` runs against a Postgres and a\n" +
			"Redis; `paragond migrate` prepares that Postgres. Operate it with paragonctl.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w\nTry: %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(newDev(), newServe(), newMigrate(), newBootstrap(), newRotateMasterKey(), newRotateDataKey(), newDoctor(), newVersion())
	hideEnvironment(root)
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := buildinfo.Read("")
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "paragond %s (%s)\n", v.Version, v.Go)
			return err
		},
	}
}

// logFlags choose the form of the log.
type logFlags struct {
	level  string
	format string
}

func (f *logFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.level, "log-level", env("PARAGON_LOG_LEVEL", "info"), "debug, info, warn or error (PARAGON_LOG_LEVEL)")
	cmd.Flags().StringVar(&f.format, "log-format", env("PARAGON_LOG_FORMAT", "text"), "text or json (PARAGON_LOG_FORMAT)")
}

func (f *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return nil, usageError{fmt.Errorf("--log-level %q: choose debug, info, warn or error", f.level)}
	}
	opts := &slog.HandlerOptions{Level: level}
	var log *slog.Logger
	switch f.format {
	case "text":
		log = slog.New(slog.NewTextHandler(w, opts))
	case "json":
		log = slog.New(slog.NewJSONHandler(w, opts))
	default:
		return nil, usageError{fmt.Errorf("--log-format %q: choose text or json", f.format)}
	}
	// go-redis would write each failed connection to standard error by itself.
	queue.LogRedis(log)
	return log, nil
}

// byVariable finds the variable that a flag takes its default from.
var byVariable = regexp.MustCompile(`\((PARAGON_[A-Z_]+)`)

// hideEnvironment shows, in help, the variable in place of a default that came
// from one: an address has a password, and help ends up in logs and tickets.
func hideEnvironment(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if m := byVariable.FindStringSubmatch(f.Usage); m != nil && os.Getenv(m[1]) != "" {
			f.DefValue = "$" + m[1]
		}
	})
	for _, c := range cmd.Commands() {
		hideEnvironment(c)
	}
}

// env is a variable of the environment, or a default.
func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
