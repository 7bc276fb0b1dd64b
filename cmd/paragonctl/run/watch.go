package run

import (
	"context"
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
	"paragon/schema/api"
)

// The pauses between two questions of watch: short while something happens.
const (
	briskPause = 100 * time.Millisecond
	calmPause  = time.Second
)

// display shows a run while it is watched. It tells whether anything changed.
type display interface {
	show(run *schema.Run, steps []schema.StepRecord) (changed bool)
}

// watch shows a run until it has ended.
func watch(ctx context.Context, client *api.Client, run *schema.Run, d display) (*schema.Run, error) {
	last := run
	for pause := briskPause; ; {
		now, err := client.Run(ctx, run.ID, 0)
		if err != nil {
			return last, err
		}
		last = now
		// The steps are read after the run, so that those of an ended run are
		// complete.
		steps, err := client.Steps(ctx, run.ID)
		if err != nil {
			return last, err
		}
		changed := d.show(now, steps)
		if now.Status.Ended() {
			return now, nil
		}
		if pause = min(pause*13/10, calmPause); changed {
			pause = briskPause
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return last, context.Cause(ctx)
		}
	}
}

// screen redraws the steps of a run in place.
type screen struct {
	w     io.Writer
	style terminal.Style
	size  func() (columns, lines int)
	now   func() time.Time
	drawn int
	last  string
}

func newScreen(env *command.Env) *screen {
	return &screen{w: env.Err, style: env.ErrStyle(), size: env.Size, now: env.Now}
}

func (s *screen) show(run *schema.Run, steps []schema.StepRecord) bool {
	columns, height := s.size()
	lines := []string{fmt.Sprintf("%s  %s  %s  %s", s.style.RunStatus(run.Status), s.style.Bold(terminal.Safe(run.Workflow)),
		terminal.Safe(run.ID), s.style.Dim(runLength(run, s.now())))}
	room := max(height-2, 1)
	if over := len(steps) - room; over > 0 {
		lines = append(lines, s.style.Dim(fmt.Sprintf("  … %d earlier steps", over+1)))
		steps = steps[over+1:]
	}
	for _, step := range steps {
		lines = append(lines, "  "+stepLine(s.style, step, s.now()))
	}
	for i := range lines {
		lines[i] = terminal.Cut(lines[i], columns-1)
	}
	text := strings.Join(lines, "\n") + "\n"
	changed := statusKey(run, steps) != s.last
	s.last = statusKey(run, steps)
	if s.drawn > 0 {
		// Up to the first line of the last drawing, and clear what is below.
		fmt.Fprintf(s.w, "\x1b[%dA\x1b[J", s.drawn)
	}
	io.WriteString(s.w, text)
	s.drawn = len(lines)
	return changed
}

// statusKey changes when anything happened in the run.
func statusKey(run *schema.Run, steps []schema.StepRecord) string {
	var b strings.Builder
	b.WriteString(string(run.Status))
	for _, s := range steps {
		fmt.Fprintf(&b, " %s=%s/%d", s.Path, s.Status, s.Attempt)
	}
	return b.String()
}

// stepLine is a step in one line.
func stepLine(style terminal.Style, s schema.StepRecord, now time.Time) string {
	line := terminal.Pad(style.StepStatus(s.Status), 11) + "  " + terminal.Safe(s.Path) + "  " + style.Dim(terminal.Safe(s.Kind))
	if s.Attempt > 1 {
		line += fmt.Sprintf("  attempt %d", s.Attempt)
	}
	switch {
	case s.Status == schema.StepRetrying && !s.RetryAt.IsZero():
		line += "  again in " + wholeSeconds(s.RetryAt.Sub(now))
	case s.Status == schema.StepWaiting && !s.WaitUntil.IsZero():
		line += "  until " + output.Clock(s.WaitUntil) + " (" + wholeSeconds(s.WaitUntil.Sub(now)) + ")"
	case !s.StartedAt.IsZero() && !s.EndedAt.IsZero():
		line += "  " + style.Dim(output.Length(s.EndedAt.Sub(s.StartedAt)))
	}
	if e := stepError(s); e != nil && s.Status != schema.StepSucceeded {
		line += "  " + terminal.Safe(e.Error())
	}
	return line
}

// stepError is the error of a step, or of its last attempt.
func stepError(s schema.StepRecord) *schema.RunError {
	if s.Error == nil && len(s.Attempts) > 0 {
		return s.Attempts[len(s.Attempts)-1].Error
	}
	return s.Error
}

func wholeSeconds(d time.Duration) string {
	return max(d, 0).Round(time.Second).String()
}

// runLength is how long the run took, or has taken so far.
func runLength(run *schema.Run, now time.Time) string {
	if run.EndedAt != nil {
		now = *run.EndedAt
	}
	if run.CreatedAt.IsZero() {
		return ""
	}
	return output.Length(now.Sub(run.CreatedAt))
}

// journal reports each change of a run as a line, for a stream that can't be
// redrawn.
type journal struct {
	w     io.Writer
	style terminal.Style
	now   func() time.Time
	run   schema.RunStatus
	seen  map[string]string
}

func newJournal(env *command.Env) *journal {
	return &journal{w: env.Err, style: env.ErrStyle(), now: env.Now, seen: map[string]string{}}
}

func (j *journal) show(run *schema.Run, steps []schema.StepRecord) bool {
	changed := false
	for _, s := range steps {
		key := fmt.Sprintf("%s/%d", s.Status, s.Attempt)
		if j.seen[s.Path] == key {
			continue
		}
		j.seen[s.Path] = key
		changed = true
		fmt.Fprintln(j.w, stepLine(j.style, s, j.now()))
	}
	if run.Status != j.run {
		j.run = run.Status
		changed = true
		fmt.Fprintf(j.w, "%s  run %s\n", terminal.Pad(j.style.RunStatus(run.Status), 11), terminal.Safe(run.ID))
	}
	return changed
}

// WatchOptions are what `runs watch` takes.
type WatchOptions struct {
	env     *command.Env
	id      string
	timeout command.Duration
}

func newWatch(env *command.Env) *cobra.Command {
	o := &WatchOptions{env: env}
	cmd := &cobra.Command{
		Use:   "watch RUN",
		Short: "Show the steps of a run live until it has ended",
		Long:  "Show the steps of a run live until it has ended. The exit code is 1 when it failed or was canceled.",
		Example: `  paragonctl runs watch r01jd9q2v5m8x4t7k3n6p0w1e2zz00
  paragonctl runs watch r01jd9q2v5m8x4t7k3n6p0w1e2zz00 --timeout 10m`,
		Args:              command.Args(1, 1, "the id of a run"),
		ValidArgsFunction: complete.Runs(env, schema.RunQueued, schema.RunRunning, schema.RunWaiting),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().Var(&o.timeout, "timeout", "stop watching after this time, with exit code 7")
	return cmd
}

func (o *WatchOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	ended, err := waitFor(ctx, o.env, client, &schema.Run{ID: o.id, Status: schema.RunQueued},
		waiting{timeout: time.Duration(o.timeout), follow: true, live: true})
	if err != nil {
		return runHint(err)
	}
	return outcome(ended)
}
