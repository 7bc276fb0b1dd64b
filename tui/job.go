package tui

import (
	"context"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// abreast is how many commands of a job work at the same time, handful how
// many calls each makes before it reports.
const (
	abreast = 4
	handful = 25
)

// job is an action on many objects, with its progress: a call each, or an
// operation of the server's.
type job struct {
	title    string
	total    int
	calls    []func(context.Context) error
	done     int
	failed   int
	first    error
	underway int
	stopped  bool
	// op is the operation that it is; nil: it is the calls. q asks about it.
	op *api.Operation
	q  question
}

// jobMsg reports what one command of a job did.
type jobMsg struct {
	job          *job
	done, failed int
	first        error
}

// start begins a job.
func (a *App) start(title string, calls []func(context.Context) error) tea.Cmd {
	j := &job{title: title, total: len(calls), calls: calls}
	a.job = j
	var cmds []tea.Cmd
	for range abreast {
		cmds = append(cmds, a.more(j))
	}
	return tea.Batch(cmds...)
}

// more takes the next calls of a job; nil when there are none.
func (a *App) more(j *job) tea.Cmd {
	n := min(len(j.calls), handful)
	if n == 0 || j.stopped {
		return nil
	}
	part := j.calls[:n]
	j.calls = j.calls[n:]
	j.underway++
	return a.work.cmd(func(ctx context.Context) tea.Msg {
		m := jobMsg{job: j}
		for _, call := range part {
			if ctx.Err() != nil {
				break
			}
			m.done++
			if err := call(ctx); err != nil {
				if m.failed++; m.first == nil {
					m.first = err
				}
			}
		}
		return m
	})
}

// progress takes the report of one command, and goes on.
func (a *App) progress(m jobMsg) tea.Cmd {
	j := m.job
	j.underway--
	j.done += m.done
	j.failed += m.failed
	if j.first == nil {
		j.first = m.first
	}
	cmd := a.more(j)
	if j.ended() {
		return tea.Batch(cmd, a.refresh())
	}
	return cmd
}

func (j *job) ended() bool {
	if j.op != nil {
		return j.op.Ended()
	}
	return j.underway == 0 && (len(j.calls) == 0 || j.stopped)
}

// line is the job in one line.
func (j *job) line(a *App) string {
	th := a.theme
	text := fmt.Sprintf("%s: %s of %s", j.title, count(j.done), count(j.total))
	role := theme.Active
	switch {
	case j.ended() && j.stopped && j.done < j.total:
		text, role = text+", stopped", theme.Notice
	case j.op != nil && j.op.State == api.OperationFailed:
		text, role = text+", given up", theme.Bad
	case j.ended():
		role = theme.Good
		text += ", done"
	default:
		const cells = 20
		full := j.done * cells / max(j.total, 1)
		bar := ""
		for i := range cells {
			if i < full {
				bar += th.Span
			} else {
				bar += th.Gap
			}
		}
		text += " " + bar + " ctrl+x stops"
	}
	line := th.Paint(role, text)
	if j.first != nil {
		line += th.Paint(theme.Bad, fmt.Sprintf("  %s failed: %s", count(j.failed), cell.Safe(j.first.Error())))
	}
	if j.ended() {
		line += th.Paint(theme.Dim, "  esc hides this")
	}
	return line
}
