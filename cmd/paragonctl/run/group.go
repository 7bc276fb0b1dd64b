package run

import (
	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
)

// NewRuns makes the runs group.
func NewRuns(env *command.Env) *cobra.Command {
	cmd := command.NewGroup("runs", "List, read, watch, cancel and replay runs",
		newList(env), newGet(env), newLogs(env), newWatch(env), newCancel(env), newReplay(env), newOperation(env))
	cmd.Aliases = []string{"run"}
	return cmd
}
