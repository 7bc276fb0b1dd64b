package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// newOperation makes the group of what is done to many runs.
func newOperation(env *command.Env) *cobra.Command {
	cmd := command.NewGroup("operation", "See, await and stop what is done to many runs",
		newOperationList(env), newOperationGet(env), newOperationWait(env), newOperationCancel(env))
	cmd.Aliases = []string{"operations", "op"}
	return cmd
}

// operationOptions are what the commands about operations take.
type operationOptions struct {
	env     *command.Env
	ids     []string
	timeout command.Duration
	out     output.Flags
}

// complete makes a command: what they have in common.
func (o *operationOptions) complete(cmd *cobra.Command, run func(ctx context.Context, client *api.Client) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.ids = args
		if err := o.out.Check(); err != nil {
			return err
		}
		client, err := o.env.Client()
		if err != nil {
			return err
		}
		defer client.Close()
		return run(cmd.Context(), client)
	}
	if cmd.Args == nil {
		cmd.Args = command.Args(1, -1, "the id of an operation")
		cmd.ValidArgsFunction = o.names
	}
	o.out.Register(cmd)
	return cmd
}

// each asks for every operation that is named, and does something with the
// answer; verb says what was asked when it fails.
func (o *operationOptions) each(ctx context.Context, verb string, ask func(context.Context, string) (*api.Operation, error), do func(context.Context, *api.Operation) error) error {
	return each(o.env, o.ids, func(id string) error {
		op, err := ask(ctx, id)
		if err != nil {
			return operationHint(fmt.Errorf("%s operation %s: %w", verb, id, err))
		}
		return do(ctx, op)
	})
}

func (o *operationOptions) print(ctx context.Context, op *api.Operation) error {
	return o.out.Print(ctx, o.env.Streams, operationView(op))
}

// names completes the ids of operations.
func (o *operationOptions) names(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	client, err := o.env.Client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer client.Close()
	page, err := client.Operations(ctx, "", 100)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, op := range page.Items {
		names = append(names, cobra.CompletionWithDesc(op.ID, op.Kind+", "+op.State))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func newOperationList(env *command.Env) *cobra.Command {
	o := &operationOptions{env: env}
	return o.complete(&cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: command.Args(0, 0, ""),
		Short: "List what is, or was, done to many runs, newest first",
		Example: `  paragonctl runs operation list
  paragonctl runs operation list -o jsonl --jq 'select(.failed > 0) | .id'`,
	}, func(ctx context.Context, client *api.Client) error {
		page, err := client.Operations(ctx, "", 0)
		if err != nil {
			return fmt.Errorf("list operations: %w", err)
		}
		return o.out.Print(ctx, env.Streams, operationsView(env, page))
	})
}

func newOperationGet(env *command.Env) *cobra.Command {
	o := &operationOptions{env: env}
	return o.complete(&cobra.Command{
		Use:     "get OPERATION...",
		Short:   "Show how far operations are, and what failed",
		Example: `  paragonctl runs operation get o01jd9q2v5m8x4t7k3n6p0w1e2zz00`,
	}, func(ctx context.Context, client *api.Client) error {
		return o.each(ctx, "read", client.Operation, o.print)
	})
}

func newOperationWait(env *command.Env) *cobra.Command {
	o := &operationOptions{env: env}
	cmd := o.complete(&cobra.Command{
		Use:     "wait OPERATION...",
		Short:   "Wait until operations have ended; exit code 1 when a run failed in one",
		Example: `  paragonctl runs operation wait o01jd9q2v5m8x4t7k3n6p0w1e2zz00 --timeout 10m`,
	}, func(ctx context.Context, client *api.Client) error {
		return o.each(ctx, "read", client.Operation, func(ctx context.Context, op *api.Operation) error {
			return follow(ctx, env, client, op, time.Duration(o.timeout), &o.out)
		})
	})
	cmd.Flags().Var(&o.timeout, "timeout", "stop waiting after this time, with exit code 7")
	return cmd
}

func newOperationCancel(env *command.Env) *cobra.Command {
	o := &operationOptions{env: env}
	return o.complete(&cobra.Command{
		Use:     "cancel OPERATION...",
		Short:   "Stop operations; what they have done stays done",
		Example: `  paragonctl runs operation cancel o01jd9q2v5m8x4t7k3n6p0w1e2zz00`,
	}, func(ctx context.Context, client *api.Client) error {
		return o.each(ctx, "cancel", client.CancelOperation, o.print)
	})
}

func operationHint(err error) error {
	if command.ExitCode(err) == command.ExitNotFound {
		return command.WithTry(err, "`paragonctl runs operation list` lists operations")
	}
	return err
}

func operationsView(env *command.Env, page *api.List[api.Operation]) output.View {
	g := &output.Grid{Columns: []output.Column{{Title: "OPERATION"}, {Title: "KIND"}, {Title: "STATE"}, {Title: "DONE"}, {Title: "FAILED"},
		{Title: "OF"}, {Title: "AGE"}, {Title: "BY", Cut: true}}}
	view := output.View{Value: page, Table: g, Empty: "No operations."}
	for _, op := range page.Items {
		g.Rows = append(g.Rows, []string{op.ID, op.Kind, op.State, fmt.Sprint(op.Done), fmt.Sprint(op.Failed), fmt.Sprint(op.Total),
			output.Age(env.Now(), op.CreatedAt), op.By})
		view.Items, view.Names = append(view.Items, op), append(view.Names, op.ID)
	}
	return view
}

func operationView(op *api.Operation) output.View {
	return output.View{Value: op, Names: []string{op.ID}, Text: func(w io.Writer, _ terminal.Style) error {
		if _, err := fmt.Fprintf(w, "operation/%s %s: %s\n", terminal.Safe(op.ID), terminal.Safe(op.State), progressText(op)); err != nil {
			return err
		}
		for _, f := range op.Failures {
			run := f.Run
			if run == "" {
				run = "the operation"
			}
			if _, err := fmt.Fprintf(w, "  %s: %s\n", terminal.Safe(run), terminal.Safe(f.Error)); err != nil {
				return err
			}
		}
		return nil
	}}
}

// progressText says how far an operation is.
func progressText(op *api.Operation) string {
	done := "replayed"
	if op.Kind == api.OperationCancel {
		done = "canceled"
	}
	text := fmt.Sprintf("%d of %d runs %s", op.Done, op.Total, done)
	if op.State == api.OperationQueued || op.Total == 0 && !op.Ended() {
		text = "counting the runs"
	}
	if op.Failed > 0 {
		text += fmt.Sprintf(", %d failed", op.Failed)
	}
	return text
}

// follow waits until an operation has ended and shows how far it is.
func follow(ctx context.Context, env *command.Env, client *api.Client, op *api.Operation, timeout time.Duration, out *output.Flags) error {
	bounded := ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeoutCause(ctx, timeout, command.ErrWaited)
		defer cancel()
	}
	last, err := ended(bounded, env, client, op)
	if err != nil {
		try := fmt.Sprintf("the operation goes on: `paragonctl runs operation wait %s` waits for it, `paragonctl runs operation cancel %s` stops it", op.ID, op.ID)
		if cause := context.Cause(bounded); errors.Is(cause, command.ErrWaited) || errors.Is(cause, command.ErrInterrupted) {
			return command.WithTry(fmt.Errorf("wait for operation %s: %w", op.ID, cause), try)
		}
		return fmt.Errorf("wait for operation %s: %w", op.ID, err)
	}
	if err := out.Print(ctx, env.Streams, operationView(last)); err != nil {
		return err
	}
	if last.State == api.OperationDone && last.Failed == 0 {
		return nil
	}
	err = fmt.Errorf("operation %s: %s", last.ID, progressText(last))
	if last.State != api.OperationDone {
		err = fmt.Errorf("operation %s is %s: %s", last.ID, last.State, progressText(last))
	}
	return &command.Failure{Code: command.ExitFailure, Err: err}
}

// ended returns the operation once it has ended. A person at a terminal sees
// how far it is meanwhile.
func ended(ctx context.Context, env *command.Env, client *api.Client, op *api.Operation) (*api.Operation, error) {
	live, last := env.Live(), op
	if live {
		defer fmt.Fprint(env.Err, "\r\x1b[K")
	}
	for pause := briskPause; !last.Ended(); pause = min(pause*13/10, calmPause) {
		if live {
			fmt.Fprintf(env.Err, "\r\x1b[K%s", env.ErrStyle().Dim(progressText(last)+" …"))
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return last, context.Cause(ctx)
		}
		now, err := client.Operation(ctx, op.ID)
		if err != nil {
			return last, err
		}
		last = now
	}
	return last, nil
}

// bulk is a change of many runs that a filter selects.
type bulk struct {
	env        *command.Env
	cmd        *cobra.Command
	filter     *filter
	out        *output.Flags
	verb       string // "Replay"
	past       string // "replayed"
	dryRun     bool
	yes        bool
	background bool
	count      func(ctx context.Context, client *api.Client, f api.RunsFilter) (*api.RunsCount, error)
	start      func(ctx context.Context, client *api.Client, f api.RunsFilter) (*api.Operation, error)
}

func (b *bulk) register() {
	f := b.cmd.Flags()
	f.BoolVar(&b.dryRun, "dry-run", false, "only count the runs that the filter selects")
	f.BoolVar(&b.yes, "yes", false, "don't ask")
	f.BoolVar(&b.background, "background", false, "with a filter: don't wait for the end, print the operation")
}

// run shows how many runs it is about, asks, and sees it through.
func (b *bulk) run(ctx context.Context, client *api.Client) error {
	q, err := b.filter.query(b.env)
	if err != nil {
		return err
	}
	f := api.RunsFilter{Workflow: q.Workflow, Status: q.Status, Since: q.Since, Until: q.Until, User: q.User, Error: q.Error}
	if f.Until.IsZero() {
		// What is confirmed is what exists now; the new runs, which the filter
		// may select too, are not.
		f.Until = b.env.Now()
	}
	done := b.env.Progress("counting the runs")
	count, err := b.count(ctx, client, f)
	done()
	if err != nil {
		return fmt.Errorf("count the runs: %w", err)
	}
	if b.dryRun || count.Matched == 0 {
		return b.out.Print(ctx, b.env.Streams, output.View{Value: count, Text: func(w io.Writer, _ terminal.Style) error {
			_, err := fmt.Fprintf(w, "%d runs match; none was %s\n", count.Matched, b.past)
			return err
		}})
	}
	if err := b.env.Confirmed(b.cmd, b.yes, fmt.Sprintf("%s %d runs?", b.verb, count.Matched)); err != nil {
		return err
	}
	op, err := b.start(ctx, client, f)
	if err != nil {
		return fmt.Errorf("%s %d runs: %w", b.verb, count.Matched, err)
	}
	if b.background {
		return b.out.Print(ctx, b.env.Streams, operationView(op))
	}
	return follow(ctx, b.env, client, op, 0, b.out)
}
