package top

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// print writes one look: for people a summary and a table, else the answer.
func (o *Options) print(ctx context.Context, s *terminal.Streams, stats *api.Stats) error {
	view := output.View{Value: stats, Table: table(stats)}
	for _, w := range stats.Workflows {
		view.Names = append(view.Names, w.Name)
	}
	if o.out.ForPeople() {
		if _, err := io.WriteString(s.Out, summary(stats, o.env.Now())); err != nil {
			return err
		}
	}
	return o.out.Print(ctx, s, view)
}

// summary is what there is to say of all workflows, in lines.
func summary(stats *api.Stats, now time.Time) string {
	t, seconds := &stats.Total, stats.To.Sub(stats.From).Seconds()
	failing := "-"
	if n := t.Ended(); n > 0 {
		failing = fmt.Sprintf("%.1f%%", 100*float64(t.Failed)/float64(n))
	}
	oldest := "-"
	if !stats.Queue.Oldest.IsZero() {
		oldest = output.Age(now, stats.Queue.Oldest)
	}
	rate := 0.0
	if seconds > 0 {
		rate = float64(t.Ended()) / seconds
	}
	lines := []string{
		fmt.Sprintf("Last %s: %.1f runs/s ended, %s failed, %d retries", stats.To.Sub(stats.From).Round(time.Second), rate, failing, t.Retried),
		fmt.Sprintf("Queue: %d waiting, oldest %s, %d paused", stats.Queue.Runs, oldest, stats.Queue.Paused),
		fmt.Sprintf("Workers: %d alive, %d silent, %d runs", stats.Workers.Alive, stats.Workers.Silent, stats.Workers.Running),
	}
	return strings.Join(lines, "\n") + "\n\n"
}

func table(stats *api.Stats) *output.Grid {
	g := &output.Grid{Columns: []output.Column{
		{Title: "WORKFLOW", Cut: true}, {Title: "STARTED"}, {Title: "SUCCEEDED"}, {Title: "FAILED"}, {Title: "CANCELED", Wide: true},
		{Title: "ATTEMPTS", Wide: true}, {Title: "RETRIED"}, {Title: "P50"}, {Title: "P99"}, {Title: "WAIT P50", Wide: true}, {Title: "WAIT P99"},
	}}
	row := func(name string, n *api.StatsNumbers) {
		cells := []string{name}
		for _, v := range []int64{n.Started, n.Succeeded, n.Failed, n.Canceled, n.Attempts, n.Retried} {
			cells = append(cells, fmt.Sprint(v))
		}
		took, waited := n.Ended() > 0, n.Started > 0
		g.Rows = append(g.Rows, append(cells, length(n.DurationP50Ms, took), length(n.DurationP99Ms, took),
			length(n.WaitP50Ms, waited), length(n.WaitP99Ms, waited)))
	}
	for i := range stats.Workflows {
		row(stats.Workflows[i].Name, &stats.Workflows[i].StatsNumbers)
	}
	row("(all)", &stats.Total)
	return g
}

// length shows milliseconds, or that there is nothing to show.
func length(ms float64, known bool) string {
	if !known {
		return "-"
	}
	return output.Length(time.Duration(ms * float64(time.Millisecond)))
}

// screen redraws one look over the one before.
type screen struct {
	env   *command.Env
	drawn int
}

func (s *screen) show(ctx context.Context, o *Options, stats *api.Stats) error {
	var text bytes.Buffer
	streams := *s.env.Streams
	streams.Out = &text
	if err := o.print(ctx, &streams, stats); err != nil {
		return err
	}
	columns, height := s.env.Size()
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	if room := max(height-2, 1); len(lines) > room {
		lines = append(lines[:room-1], fmt.Sprintf("… %d more lines", len(lines)-room+1))
	}
	for i := range lines {
		lines[i] = terminal.Cut(lines[i], columns-1)
	}
	move := ""
	if s.drawn > 0 {
		// Up to the first line of the last drawing, and clear what is below.
		move = fmt.Sprintf("\x1b[%dA\x1b[J", s.drawn)
	}
	s.drawn = len(lines)
	_, err := io.WriteString(s.env.Out, move+strings.Join(lines, "\n")+"\n")
	return err
}
