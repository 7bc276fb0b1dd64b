package access

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
)

func newKeyRotate(env *command.Env) *cobra.Command {
	var overlap command.Duration
	var out output.Flags
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Make a key that may the same, print its token, and end the old one",
		Long: `Make a key that may what an old one may, and print its token, this once. The old
token ends at once, or counts for --overlap more, so that what uses it can change.`,
		Example: `  paragonctl key rotate k01jd9q2v5m8x4t7 --overlap 1d`,
		Args:    command.Args(1, 1, "the id of a key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := out.Check(); err != nil {
				return err
			}
			client, err := env.Client()
			if err != nil {
				return err
			}
			defer client.Close()
			key, err := client.RotateKey(cmd.Context(), args[0], time.Duration(overlap))
			if err != nil {
				return fmt.Errorf("rotate key %s: %w", args[0], err)
			}
			if !out.ForPeople() {
				return out.Print(cmd.Context(), env.Streams, output.View{Value: key, Names: []string{key.ID}})
			}
			fmt.Fprintf(env.Err, "Key %s (%s, %s) takes the place of %s. Its token is shown this once:\n",
				terminal.Safe(key.ID), terminal.Safe(key.Name), terminal.Safe(key.Role), terminal.Safe(args[0]))
			_, err = fmt.Fprintln(env.Out, terminal.Safe(key.Token))
			return err
		},
	}
	cmd.Flags().Var(&overlap, "overlap", "how long the old token still counts, such as 1h; 30d at most (default: not at all)")
	out.Register(cmd)
	return cmd
}
