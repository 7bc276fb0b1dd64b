package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// operate counts the runs that match, asks with their count, and then lets the
// server do it to all of them: an operation that goes on without the
// dashboard.
func (a *App) operate(v *verb, f runFilter, q api.RunsQuery) tea.Cmd {
	which := api.RunsFilter{Workflow: q.Workflow, Status: q.Status, Since: q.Since, Until: q.Until, User: q.User, Error: q.Error}
	a.say(theme.Active, "counting%s", a.theme.Ellipsis)
	return ask(a, &question{aloud: true}, func(ctx context.Context) (*api.RunsCount, error) { return v.count(a.client, ctx, which) },
		func(a *App, found *api.RunsCount) tea.Cmd {
			a.note = note{}
			if found.Matched == 0 {
				a.say(theme.Notice, "no run matches that is %s", v.only)
				return nil
			}
			a.dialog = &dialog{
				question: fmt.Sprintf("%s all %s?", v.word, plural(found.Matched, "run")),
				details: []string{v.means, "These are the " + f.matching() + ", as just counted. The server does it in the background, and goes on " +
					"when this dashboard is left; ctrl+x ends it."},
				do: func(a *App) tea.Cmd {
					return ask(a, &question{aloud: true}, func(ctx context.Context) (*api.Operation, error) { return v.begin(ctx, a.client, which) },
						func(a *App, op *api.Operation) tea.Cmd {
							a.job = &job{title: strings.ToLower(v.word) + " " + plural(found.Matched, "run"), total: found.Matched}
							a.job.follow(op)
							return nil
						})
				},
			}
			return nil
		})
}

// matching says in words which runs the filter finds.
func (f runFilter) matching() string {
	if f.empty() {
		return "runs of all workflows"
	}
	return "runs that match " + cell.Safe(f.String())
}

// follow takes what the server says of the operation that the job is.
func (j *job) follow(op *api.Operation) {
	j.op = op
	j.done, j.failed = int(op.Done+op.Failed), int(op.Failed)
	if op.Total > 0 {
		j.total = int(op.Total)
	}
	j.stopped = op.State == api.OperationCanceled
	if j.first == nil && len(op.Failures) > 0 {
		j.first = errors.New(op.Failures[0].Error)
	}
}

// watchJob asks how far the operation under way is; nil when there is none.
func (a *App) watchJob() tea.Cmd {
	j := a.job
	if j == nil || j.op == nil || j.ended() || j.q.pending {
		return nil
	}
	return ask(a, &j.q, func(ctx context.Context) (*api.Operation, error) { return a.client.Operation(ctx, j.op.ID) },
		func(_ *App, op *api.Operation) tea.Cmd {
			j.follow(op)
			return nil
		})
}

// stopJob ends the job under way; what it has done stays done.
func (a *App) stopJob() tea.Cmd {
	j := a.job
	switch {
	case j == nil || j.ended():
		return nil
	case j.op == nil:
		j.stopped = true
		return nil
	}
	j.q.drop()
	return ask(a, &question{aloud: true}, func(ctx context.Context) (*api.Operation, error) { return a.client.CancelOperation(ctx, j.op.ID) },
		func(_ *App, op *api.Operation) tea.Cmd {
			j.follow(op)
			return nil
		})
}
