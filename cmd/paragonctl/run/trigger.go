package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// TriggerOptions are what `trigger` takes.
type TriggerOptions struct {
	env      *command.Env
	workflow string
	input    string
	inputs   string
	key      string
	user     string
	wait     bool
	follow   bool
	timeout  command.Duration
	out      output.Flags
}

// NewTrigger makes the trigger command.
func NewTrigger(env *command.Env) *cobra.Command {
	o := &TriggerOptions{env: env}
	cmd := &cobra.Command{
		Use:   "trigger WORKFLOW",
		Short: "Start a run of a workflow",
		Long: `Start a run of a workflow.

With --wait the command waits for the run's end and prints its output as JSON;
it exits with 1 when the run failed. Without it, the command ends as soon as the
run is accepted.`,
		Example: `  paragonctl trigger lead-sync --input '{"email": "ada@example.com"}' --wait
  paragonctl trigger lead-sync --input @lead.json --follow
  paragonctl trigger lead-sync --inputs leads.jsonl -o name
  paragonctl trigger digest --user u_17 --wait`,
		Args:              command.Args(1, 1, "a workflow's name"),
		ValidArgsFunction: complete.Resources(env, schema.KindWorkflow),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.workflow = args[0]
			if err := o.check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.input, "input", "i", "", "input of the run: JSON, @FILE, or - for standard input")
	f.StringVar(&o.inputs, "inputs", "", "start a run for each line of JSON in FILE (- for standard input)")
	f.StringVar(&o.key, "idempotency-key", "", "start at most one run for this key; a second request answers with the first run")
	f.StringVarP(&o.user, "user", "u", "", "the user whom the run is for, in a workflow with users")
	f.BoolVar(&o.wait, "wait", false, "wait until the run has ended and print its output")
	f.BoolVar(&o.follow, "follow", false, "as --wait, and report each step on standard error")
	f.Var(&o.timeout, "timeout", "stop waiting after this time, with exit code 7; the run goes on")
	o.out.Register(cmd)
	return cmd
}

func (o *TriggerOptions) check() error {
	o.wait = o.wait || o.follow
	switch {
	case o.input != "" && o.inputs != "":
		return command.Usage("--input and --inputs exclude each other")
	case o.inputs != "" && o.wait:
		return command.Usage("--inputs starts many runs and can't wait for them; use `paragonctl wait` with their ids")
	case o.inputs != "" && o.user != "":
		return command.Usage("--user is for one run, not for many")
	case o.inputs != "" && o.key != "":
		return command.Usage("--idempotency-key is for one run; with --inputs each run has a key of its own")
	case o.timeout != 0 && !o.wait:
		return command.Usage("--timeout bounds --wait or --follow, and neither is there")
	}
	return o.out.Check()
}

func (o *TriggerOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if o.inputs != "" {
		return o.many(ctx, client)
	}
	input, err := readJSON(o.env, "--input", o.input)
	if err != nil {
		return err
	}
	run, err := client.Trigger(ctx, o.workflow, api.TriggerRequest{Input: input, IdempotencyKey: o.key, User: o.user}, 0)
	if err != nil {
		return fmt.Errorf("trigger %s: %w", o.workflow, triggerHint(err))
	}
	if !o.wait {
		return o.accepted(ctx, run)
	}
	ended, err := waitFor(ctx, o.env, client, run, waiting{
		timeout: time.Duration(o.timeout), follow: o.follow, live: o.out.ForPeople() || o.env.ErrTTY,
	})
	if err != nil {
		return err
	}
	if err := o.out.Print(ctx, o.env.Streams, resultView(ended)); err != nil {
		return err
	}
	return outcome(ended)
}

// triggerHint says what to do about a workflow that is not there.
func triggerHint(err error) error {
	var p *schema.Problem
	if errors.As(err, &p) && p.Type == schema.ProblemNotFound {
		return command.WithTry(err, "`paragonctl get workflows` lists them")
	}
	return err
}

// accepted reports a run that goes on without us.
func (o *TriggerOptions) accepted(ctx context.Context, run *schema.Run) error {
	v := output.View{Value: run, Names: []string{run.ID}}
	v.Text = func(w io.Writer, style terminal.Style) error {
		_, err := fmt.Fprintf(w, "run/%s %s\n", terminal.Safe(run.ID), style.RunStatus(run.Status))
		return err
	}
	if err := o.out.Print(ctx, o.env.Streams, v); err != nil {
		return err
	}
	if o.out.ForPeople() && o.env.ErrTTY {
		fmt.Fprintf(o.env.Err, "Follow it with `paragonctl runs watch %s`.\n", terminal.Safe(run.ID))
	}
	return nil
}

// many starts a run for each line of the inputs.
func (o *TriggerOptions) many(ctx context.Context, client *api.Client) error {
	lines, err := openLines(o.env, o.inputs)
	if err != nil {
		return err
	}
	defer lines.Close()
	started, refused := 0, 0
	err = client.TriggerMany(ctx, o.workflow, lines.requests(), func(i int, line api.TriggerLine) error {
		if line.Error != nil {
			refused++
			fmt.Fprintf(o.env.Err, "%s line %d: %s\n", o.env.ErrStyle().Bad("error:"), i+1, terminal.Safe(line.Error.Error()))
			for _, d := range line.Error.Errors {
				fmt.Fprintf(o.env.Err, "      %s: %s\n", terminal.Safe(d.Field), terminal.Safe(d.Message))
			}
			return nil
		}
		started++
		return o.line(ctx, line)
	})
	if err != nil {
		return fmt.Errorf("trigger %s: %w", o.workflow, triggerHint(err))
	}
	fmt.Fprintf(o.env.Err, "%d started, %d refused\n", started, refused)
	if refused > 0 {
		return &command.Quiet{Code: command.ExitInvalid}
	}
	return nil
}

// line prints one accepted run of many, as soon as it is known.
func (o *TriggerOptions) line(ctx context.Context, line api.TriggerLine) error {
	if o.out.ForPeople() {
		_, err := fmt.Fprintf(o.env.Out, "run/%s %s\n", terminal.Safe(line.ID), o.env.OutStyle().RunStatus(schema.RunQueued))
		return err
	}
	return o.out.Print(ctx, o.env.Streams, output.View{Value: line, Names: []string{line.ID}})
}
