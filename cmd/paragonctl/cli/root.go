package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/access"
	"paragon/cmd/paragonctl/backup"
	"paragon/cmd/paragonctl/dash"
	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/manifest"
	"paragon/cmd/paragonctl/queue"
	"paragon/cmd/paragonctl/resource"
	"paragon/cmd/paragonctl/run"
	"paragon/cmd/paragonctl/tests"
	"paragon/cmd/paragonctl/top"
	"paragon/cmd/paragonctl/users"
)

// Main runs the command that the arguments name and returns the exit code.
// An interrupt ends the command in good order; a second one ends the process.
func Main(env *command.Env, args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-signals:
			signal.Stop(signals)
			cancel(command.ErrInterrupted)
		case <-done:
			signal.Stop(signals)
		}
	}()
	code := Run(ctx, env, args)
	close(done)
	<-stopped
	return code
}

// Run runs the command that the arguments name and returns the exit code. The
// context's cause tells an interrupt (command.ErrInterrupted).
func Run(ctx context.Context, env *command.Env, args []string) int {
	root := New(env)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && errors.Is(context.Cause(ctx), command.ErrInterrupted) && !errors.Is(err, command.ErrInterrupted) {
		err = &command.Failure{Code: command.ExitInterrupted, Err: command.ErrInterrupted}
	}
	// Nobody reads any more, as in `paragonctl get workflows | head -1`: that
	// is not worth a message.
	if errors.Is(err, syscall.EPIPE) {
		return command.ExitFailure
	}
	env.Report(err)
	return command.ExitCode(err)
}

// The headings of the help.
const (
	groupConfig = "config"
	groupRuns   = "runs"
	groupAccess = "access"
	groupUsers  = "users"
)

// New makes the root command with all others below it.
func New(env *command.Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "paragonctl",
		Short: "Apply workflows, run them, and see what they do",
		Long: `paragonctl is the client of Paragon.

Where it connects to is decided by flag, then environment (PARAGON_SERVER,
PARAGON_TOKEN, PARAGON_PROJECT, PARAGON_CONTEXT), then the current context, then
http://127.0.0.1:7420. Contexts are kept in $XDG_CONFIG_HOME/paragon/config.json
(PARAGON_CONFIG names another file).

Exit codes: 0 done; 1 failure, also of a run that was waited for; 2 usage;
3 not found; 4 refused; 5 conflict; 6 invalid input; 7 timed out; 8 server
unreachable; 130 interrupted. diff: 0 same, 1 differs, above 1 error.`,
		Example: `  paragonctl init
  paragonctl apply -f workflows/
  paragonctl trigger hello --input '{"name": "Ada"}' --wait
  paragonctl runs list --status failed --since 1h`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          command.Group,
		PersistentPreRun: func(*cobra.Command, []string) {
			env.NoInput = env.Flags.NoInput
		},
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	root.SetFlagErrorFunc(command.FlagError)
	root.AddGroup(
		&cobra.Group{ID: groupConfig, Title: "Configuration:"},
		&cobra.Group{ID: groupRuns, Title: "Runs:"},
		&cobra.Group{ID: groupAccess, Title: "Access:"},
		&cobra.Group{ID: groupUsers, Title: "The product's users:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupConfig,
		manifest.NewInit(env), manifest.NewValidate(env), tests.New(env), manifest.NewFormat(env), manifest.NewDiff(env), manifest.NewApply(env),
		resource.NewGet(env), resource.NewDescribe(env), resource.NewEdit(env), resource.NewDelete(env),
		resource.NewHistory(env), resource.NewRollback(env), resource.NewExport(env), backup.NewRestore(env), resource.NewIntegration(env),
		resource.NewDestination(env),
		manifest.NewRelease(env),
		manifest.NewExplain(env), manifest.NewSchema(env),
	)
	add(groupRuns, run.NewTrigger(env), run.NewRuns(env), run.NewWait(env), queue.NewQueue(env), run.NewEvent(env), top.New(env), dash.New(env))
	add(groupAccess, access.NewAuth(env), access.NewContext(env), access.NewSecret(env), access.NewKey(env), access.NewProject(env), access.NewMember(env), access.NewAudit(env))
	add(groupUsers, users.NewUser(env), users.NewCredential(env), users.NewProxy(env))
	root.AddCommand(newVersion(env), newDoctor(env), newCompletion(env))

	flags := root.PersistentFlags()
	flags.StringVar(&env.Flags.Server, "server", "", "address of the server")
	flags.StringVar(&env.Flags.Project, "project", "", "project to work in")
	flags.StringVar(&env.Flags.Context, "context", "", "context to use")
	flags.BoolVar(&env.Flags.Debug, "debug", false, "tell more about errors: trace id and causes")
	flags.BoolVar(&env.Flags.NoInput, "no-input", false, "never ask")
	_ = root.RegisterFlagCompletionFunc("project", complete.Projects(env))
	_ = root.RegisterFlagCompletionFunc("context", func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return access.CompleteContexts(env)(cmd, nil, typed)
	})
	return root
}
