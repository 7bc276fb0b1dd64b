package run

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
)

// GetOptions are what `runs get` takes.
type GetOptions struct {
	env *command.Env
	id  string
	out output.Flags
}

func newGet(env *command.Env) *cobra.Command {
	o := &GetOptions{env: env}
	cmd := &cobra.Command{
		Use:     "get RUN",
		Aliases: []string{"show"},
		Short:   "Show a run: state, input, output and error",
		Example: `  paragonctl runs get r01jd9q2v5m8x4t7k3n6p0w1e2zz00
  paragonctl runs get r01jd9q2v5m8x4t7k3n6p0w1e2zz00 --jq .output`,
		Args:              command.Args(1, 1, "the id of a run"),
		ValidArgsFunction: complete.Runs(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	return cmd
}

func (o *GetOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	run, err := client.Run(ctx, o.id, 0)
	if err != nil {
		return runHint(fmt.Errorf("get run %s: %w", o.id, err))
	}
	return o.out.Print(ctx, o.env.Streams, output.View{
		Value: run, Names: []string{run.ID},
		Text: func(w io.Writer, style terminal.Style) error {
			_, err := io.WriteString(w, runText(style, run, o.env.Now()))
			return err
		},
	})
}

// runText describes a run for a person.
func runText(style terminal.Style, run *schema.Run, now time.Time) string {
	var b strings.Builder
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s %s\n", style.Bold(fmt.Sprintf("%-10s", name)), value)
		}
	}
	field("Run", terminal.Safe(run.ID))
	field("Workflow", fmt.Sprintf("%s, revision %d", terminal.Safe(run.Workflow), run.Revision))
	field("Status", style.RunStatus(run.Status))
	field("Trigger", triggerText(run.Trigger))
	field("Created", output.Clock(run.CreatedAt)+" ("+output.Age(now, run.CreatedAt)+" ago)")
	if run.StartedAt != nil {
		field("Started", output.Clock(*run.StartedAt))
	}
	if run.EndedAt != nil {
		field("Ended", output.Clock(*run.EndedAt)+", after "+runLength(run, now))
	}
	if run.WaitUntil != nil {
		field("Waits", "until "+output.Clock(*run.WaitUntil))
	}
	field("Attempts", fmt.Sprint(run.Attempts))
	if run.Recoveries > 0 {
		field("Recovered", fmt.Sprintf("%d times by another worker", run.Recoveries))
	}
	field("User", terminal.Safe(run.User))
	field("Trace", terminal.Safe(run.TraceID))
	if run.Error != nil {
		field("Error", style.Bad(terminal.Safe(why(run.Error))))
	}
	for _, part := range []struct {
		name  string
		value json.RawMessage
	}{{"Input     ", run.Input}, {"Output    ", run.Output}} {
		if len(part.value) > 0 {
			b.WriteString(style.Bold(part.name) + block(part.value) + "\n")
		}
	}
	return b.String()
}

func triggerText(t schema.Trigger) string {
	text := terminal.Safe(t.Kind)
	if t.ID != "" {
		text += " " + terminal.Safe(t.ID)
	}
	if t.Event != "" {
		text += ", event " + terminal.Safe(t.Event)
	}
	if t.Parent != "" {
		text += ", of run " + terminal.Safe(t.Parent)
	}
	if t.Actor != "" {
		text += ", by " + terminal.Safe(t.Actor)
	}
	return text
}

// block is a JSON value for a person, behind a label: in the same line when it
// is short, else below.
func block(value json.RawMessage) string {
	if len(value) == 0 {
		return ""
	}
	var short bytes.Buffer
	if json.Compact(&short, value) != nil {
		return " " + terminal.SafeLines(string(value))
	}
	if short.Len() <= 60 {
		return " " + string(terminal.SafeJSON(short.Bytes()))
	}
	var long bytes.Buffer
	if json.Indent(&long, value, "  ", "  ") != nil {
		return " " + terminal.SafeLines(string(value))
	}
	return "\n  " + string(terminal.SafeJSON(long.Bytes()))
}
