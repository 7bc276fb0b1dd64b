package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
)

// shells are what completion writes scripts for, with how each is written.
var shells = map[string]func(root *cobra.Command, env *command.Env) error{
	"bash": func(root *cobra.Command, env *command.Env) error { return root.GenBashCompletionV2(env.Out, true) },
	"zsh":  func(root *cobra.Command, env *command.Env) error { return root.GenZshCompletion(env.Out) },
	"fish": func(root *cobra.Command, env *command.Env) error { return root.GenFishCompletion(env.Out, true) },
	"powershell": func(root *cobra.Command, env *command.Env) error {
		return root.GenPowerShellCompletionWithDesc(env.Out)
	},
}

func newCompletion(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes commands, flags and names in your shell",
		Long: `Print a script that completes commands, flags and names in your shell. Names of workflows,
secrets and events and ids of runs come from the server of the current context.`,
		Example: `  source <(paragonctl completion bash)
  paragonctl completion zsh > "${fpath[1]}/_paragonctl"
  paragonctl completion fish > ~/.config/fish/completions/paragonctl.fish`,
		Args:      command.Args(1, 1, "a shell: bash, zsh, fish or powershell"),
		ValidArgs: []cobra.Completion{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := shells[args[0]]
			if !ok {
				return command.Usage("completion: there is no script for %q; the shells are bash, zsh, fish and powershell", args[0])
			}
			if err := write(cmd.Root(), env); err != nil {
				return fmt.Errorf("completion: %w", err)
			}
			return nil
		},
	}
}
