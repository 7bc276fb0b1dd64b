package run

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/workflows"
)

// LogsOptions are what `runs logs` takes.
type LogsOptions struct {
	env     *command.Env
	id      string
	step    string
	failed  bool
	follow  bool
	results bool
	out     output.Flags
}

func newLogs(env *command.Env) *cobra.Command {
	o := &LogsOptions{env: env}
	cmd := &cobra.Command{
		Use:   "logs RUN",
		Short: "Show what each step and attempt of a run sent, got and took",
		Example: `  paragonctl runs logs r01jd9q2v5m8x4t7k3n6p0w1e2zz00 --failed
  paragonctl runs logs r01jd9q2v5m8x4t7k3n6p0w1e2zz00 -o jsonl --step lookup`,
		Args:              command.Args(1, 1, "the id of a run"),
		ValidArgsFunction: complete.Runs(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			if err := o.out.Check(); err != nil {
				return err
			}
			if o.follow && !o.out.ForPeople() {
				return command.Usage("--follow prints text as it comes and can't be had with -o, --jq or --template")
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.step, "step", "", "only the step of this id or path")
	cmd.Flags().BoolVar(&o.failed, "failed", false, "only steps that failed or were retried")
	cmd.Flags().BoolVar(&o.results, "results", false, "also the results of requests and of blocks, which repeat what is shown")
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on until the run has ended")
	o.out.Register(cmd)
	return cmd
}

func (o *LogsOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	run, err := client.Run(ctx, o.id, 0)
	if err != nil {
		return runHint(fmt.Errorf("read the log of run %s: %w", o.id, err))
	}
	style := o.env.OutStyle()
	if o.follow {
		io.WriteString(o.env.Out, headline(style, run))
		tail := &tail{o: o, style: style, printed: map[string]bool{}}
		run, err = watch(ctx, client, run, tail)
		if err != nil {
			return fmt.Errorf("follow run %s: %w", o.id, err)
		}
		_, err = io.WriteString(o.env.Out, ending(style, run))
		return err
	}
	steps, err := client.Steps(ctx, o.id)
	if err != nil {
		return fmt.Errorf("read the log of run %s: %w", o.id, err)
	}
	var shown []schema.StepRecord
	for _, s := range steps {
		if o.wants(s) {
			shown = append(shown, s)
		}
	}
	view := output.ListOf(shown, func(s schema.StepRecord) string { return s.Path })
	view.Text = func(w io.Writer, style terminal.Style) error {
		var b strings.Builder
		b.WriteString(headline(style, run))
		for _, s := range shown {
			b.WriteString(stepText(style, s, o.results))
		}
		b.WriteString(ending(style, run))
		_, err := io.WriteString(w, b.String())
		return err
	}
	return o.out.Print(ctx, o.env.Streams, view)
}

// wants tells whether the flags select the step.
func (o *LogsOptions) wants(s schema.StepRecord) bool {
	if o.step != "" && s.Path != o.step && s.Step != o.step {
		return false
	}
	return !o.failed || s.Status == schema.StepFailed || s.Status == schema.StepRetrying || s.Attempt > 1
}

// tail prints each step of a followed run once it has ended.
type tail struct {
	o       *LogsOptions
	style   terminal.Style
	printed map[string]bool
}

func (t *tail) show(run *schema.Run, steps []schema.StepRecord) (changed bool) {
	for _, s := range steps {
		if t.printed[s.Path] || !s.Status.Ended() && !run.Status.Ended() || !t.o.wants(s) {
			continue
		}
		t.printed[s.Path] = true
		changed = true
		io.WriteString(t.o.env.Out, stepText(t.style, s, t.o.results))
	}
	return changed
}

func headline(style terminal.Style, run *schema.Run) string {
	text := fmt.Sprintf("%s  %s revision %d  %s  %s\n", style.Bold("run "+terminal.Safe(run.ID)), terminal.Safe(run.Workflow), run.Revision,
		triggerText(run.Trigger), output.Clock(run.CreatedAt))
	if len(run.Input) > 0 {
		text += "  input" + block(run.Input) + "\n"
	}
	return text
}

func ending(style terminal.Style, run *schema.Run) string {
	text := style.RunStatus(run.Status)
	if run.EndedAt != nil {
		text += "  after " + output.Length(run.EndedAt.Sub(run.CreatedAt))
	}
	text = "\n" + text + "\n"
	if run.Error != nil {
		text += "  error " + terminal.Safe(why(run.Error)) + "\n"
	}
	if len(run.Output) > 0 {
		text += "  output" + block(run.Output) + "\n"
	}
	return text
}

// blocks are the kinds of step that hold other steps.
var blocks = map[string]bool{
	string(workflows.StepSwitch): true, string(workflows.StepForEach): true, string(workflows.StepParallel): true,
}

// stepText is a step with all its attempts, and if all with a result that
// repeats what they show.
func stepText(style terminal.Style, s schema.StepRecord, all bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s  %s  %s", style.StepStatus(s.Status), style.Bold(terminal.Safe(s.Path)), terminal.Safe(s.Kind))
	if !s.StartedAt.IsZero() && !s.EndedAt.IsZero() {
		fmt.Fprintf(&b, "  %s", output.Length(s.EndedAt.Sub(s.StartedAt)))
	}
	b.WriteByte('\n')
	for i, a := range s.Attempts {
		if i > 0 {
			wait := a.StartedAt.Sub(s.Attempts[i-1].EndedAt)
			fmt.Fprintf(&b, "  %s\n", style.Dim("waited "+output.Length(wait)))
		}
		attemptText(&b, style, a)
	}
	switch {
	case s.Status == schema.StepRetrying && !s.RetryAt.IsZero():
		fmt.Fprintf(&b, "  next attempt at %s\n", output.Clock(s.RetryAt))
	case s.Status == schema.StepWaiting && !s.WaitUntil.IsZero():
		fmt.Fprintf(&b, "  waits until %s\n", output.Clock(s.WaitUntil))
	}
	if s.Error != nil {
		fmt.Fprintf(&b, "  error %s\n", style.Bad(terminal.Safe(why(s.Error))))
	}
	// The result of a step with attempts is their last response again, and that
	// of a block the result of its last step.
	if len(s.Result) > 0 && (all || len(s.Attempts) == 0 && !blocks[s.Kind]) {
		fmt.Fprintf(&b, "  result%s\n", block(s.Result))
	}
	return b.String()
}

func attemptText(b *strings.Builder, style terminal.Style, a schema.Attempt) {
	fmt.Fprintf(b, "  attempt %d  %s  %s\n", a.Number, output.Moment(a.StartedAt), output.Length(a.EndedAt.Sub(a.StartedAt)))
	if r := a.Request; r != nil {
		fmt.Fprintf(b, "    > %s %s\n", terminal.Safe(r.Method), terminal.Safe(r.URL))
		recordText(b, "    > ", r)
	}
	if r := a.Response; r != nil {
		status := fmt.Sprint(r.Status)
		if r.Status >= 400 {
			status = style.Bad(status)
		} else {
			status = style.Good(status)
		}
		fmt.Fprintf(b, "    < %s\n", status)
		recordText(b, "    < ", r)
	}
	if a.Error != nil {
		fmt.Fprintf(b, "    %s\n", style.Notice("error "+terminal.Safe(a.Error.Error())))
	}
	if a.RetryAfter > 0 {
		fmt.Fprintf(b, "    the far side asked for %s\n", a.RetryAfter)
	}
}

// recordText writes the headers and the body of a request or a response.
func recordText(b *strings.Builder, prefix string, r *schema.HTTPRecord) {
	for _, name := range sortedKeys(r.Headers) {
		fmt.Fprintf(b, "%s%s: %s\n", prefix, terminal.Safe(name), terminal.Safe(r.Headers[name]))
	}
	if r.Body != "" {
		for line := range strings.Lines(r.Body) {
			fmt.Fprintf(b, "%s%s\n", prefix, terminal.Safe(strings.TrimRight(line, "\r\n")))
		}
	}
	if r.Truncated {
		fmt.Fprintf(b, "%s… %d of %d bytes are shown\n", prefix, len(r.Body), r.Size)
	}
}
