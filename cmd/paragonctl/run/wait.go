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

// waiting says how to wait for a run.
type waiting struct {
	// timeout ends the wait; 0 is none.
	timeout time.Duration
	// follow reports each step as a line, live redraws the steps in place on a
	// terminal.
	follow, live bool
}

// waitFor waits until the run has ended, and shows what it does meanwhile.
func waitFor(ctx context.Context, env *command.Env, client *api.Client, run *schema.Run, how waiting) (*schema.Run, error) {
	bounded := ctx
	if how.timeout > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeoutCause(ctx, how.timeout, command.ErrWaited)
		defer cancel()
	}
	var (
		last *schema.Run
		err  error
	)
	switch {
	case run.Status.Ended():
		return run, nil
	case how.live && env.Live():
		last, err = watch(bounded, client, run, newScreen(env))
	case how.follow:
		last, err = watch(bounded, client, run, newJournal(env))
	default:
		last, err = client.WaitRun(bounded, run.ID)
	}
	if err == nil {
		return last, nil
	}
	status := run.Status
	if last != nil {
		status = last.Status
	}
	try := fmt.Sprintf("the run goes on: `paragonctl wait %s` waits for it, `paragonctl runs cancel %s` stops it", run.ID, run.ID)
	switch cause := context.Cause(bounded); {
	case errors.Is(cause, command.ErrWaited):
		return nil, command.WithTry(fmt.Errorf("run %s is still %s after %s: %w", run.ID, status, schema.Duration(how.timeout), command.ErrWaited), try)
	case errors.Is(cause, command.ErrInterrupted):
		return nil, command.WithTry(fmt.Errorf("wait for run %s: %w", run.ID, command.ErrInterrupted), try)
	}
	return nil, fmt.Errorf("wait for run %s: %w", run.ID, err)
}

// outcome is the error of a run that ended and did not succeed.
func outcome(run *schema.Run) error {
	if run.Status == schema.RunSucceeded {
		return nil
	}
	err := fmt.Errorf("run %s of %s was canceled", run.ID, run.Workflow)
	if run.Status == schema.RunFailed {
		err = fmt.Errorf("run %s of %s failed: %s", run.ID, run.Workflow, why(run.Error))
	}
	return &command.Failure{Code: command.ExitFailure, Err: err, Try: "`paragonctl runs logs " + run.ID + "` shows each step and attempt"}
}

// why is an error with its place, in one line.
func why(e *schema.RunError) string {
	if e == nil {
		return "no reason is known"
	}
	text := e.Error()
	switch {
	case e.Step != "" && e.At != "":
		text = fmt.Sprintf("step %s (%s): %s", e.Step, e.At, text)
	case e.Step != "":
		text = fmt.Sprintf("step %s: %s", e.Step, text)
	}
	return text
}

// resultView shows an ended run: a person gets its output, a program the run.
func resultView(run *schema.Run) output.View {
	return output.View{
		Value: run, Names: []string{run.ID},
		Text: func(w io.Writer, style terminal.Style) error {
			if run.Status != schema.RunSucceeded && len(run.Output) == 0 {
				return nil
			}
			value := run.Output
			if len(value) == 0 {
				value = []byte("null")
			}
			return output.WriteJSON(w, value)
		},
	}
}

// WaitOptions are what `wait` takes.
type WaitOptions struct {
	env     *command.Env
	ids     []string
	timeout command.Duration
	out     output.Flags
}

// NewWait makes the wait command.
func NewWait(env *command.Env) *cobra.Command {
	o := &WaitOptions{env: env}
	cmd := &cobra.Command{
		Use:   "wait RUN...",
		Short: "Wait until runs have ended",
		Long:  "Wait until runs have ended. The exit code is 1 when one failed or was canceled, 7 when the timeout passed first.",
		Example: `  paragonctl wait r01jd9q2v5m8x4t7k3n6p0w1e2zz00 --timeout 5m
  paragonctl wait $(paragonctl trigger lead-sync --inputs leads.jsonl -o name)`,
		Args:              command.Args(1, -1, "the id of a run"),
		ValidArgsFunction: complete.Runs(env, schema.RunQueued, schema.RunRunning, schema.RunWaiting),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ids = args
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().Var(&o.timeout, "timeout", "stop waiting after this time, with exit code 7")
	o.out.Register(cmd)
	return cmd
}

func (o *WaitOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	deadline := time.Time{}
	if o.timeout > 0 {
		deadline = time.Now().Add(time.Duration(o.timeout))
	}
	var failed error
	for _, id := range o.ids {
		how := waiting{}
		if !deadline.IsZero() {
			// What is left of the time for all of them; never 0, which is no bound.
			how.timeout = max(time.Until(deadline), time.Millisecond)
		}
		run, err := waitFor(ctx, o.env, client, &schema.Run{ID: id, Status: schema.RunQueued}, how)
		if err != nil {
			return runHint(err)
		}
		if o.out.ForPeople() {
			fmt.Fprintf(o.env.Out, "run/%s %s\n", terminal.Safe(run.ID), o.env.OutStyle().RunStatus(run.Status))
		} else if err := o.out.Print(ctx, o.env.Streams, resultView(run)); err != nil {
			return err
		}
		if err := outcome(run); err != nil {
			if failed != nil {
				o.env.Report(failed)
			}
			failed = err
		}
	}
	return failed
}

// runHint says what to do about a run that is not there.
func runHint(err error) error {
	var p *schema.Problem
	if errors.As(err, &p) && p.Type == schema.ProblemNotFound {
		return command.WithTry(err, "`paragonctl runs list` shows the latest runs")
	}
	return err
}
