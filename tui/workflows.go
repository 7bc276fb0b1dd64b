package tui

import (
	"cmp"
	"context"
	"math"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/plot"
	"paragon/tui/theme"
)

// workflowRow is a workflow and what was counted of its runs.
type workflowRow struct {
	api.StoredResource
	lately
}

// newWorkflows lists the workflows, with what the overview counted of each.
func newWorkflows() *listing[workflowRow] {
	const spark = 14
	name := func(w workflowRow) string { return w.Metadata.Name }
	return &listing[workflowRow]{
		title:   "workflows",
		missing: "This server has no workflows.",
		ask: func(a *App, v *listing[workflowRow]) tea.Cmd {
			counted := a.roots[0].(*overview)
			return tea.Batch(counted.refresh(a), ask(a, &v.q, a.allWorkflows, func(a *App, all []api.StoredResource) tea.Cmd {
				of := counted.byWorkflow(a.now())
				rows := make([]workflowRow, len(all))
				for i, w := range all {
					rows[i] = workflowRow{w, lately{failing: math.NaN(), p99: math.NaN()}}
					if l, ok := of[w.Metadata.Name]; ok {
						rows[i].lately = l
					}
				}
				return v.show(a, rows)
			}))
		},
		list: list[workflowRow]{id: name, empty: "No workflows yet: `paragonctl apply -f FILE` brings some.", sortBy: -1,
			columns: []column[workflowRow]{
				{title: "workflow", width: 14, grow: true, text: func(_ *App, w workflowRow) string { return cell.Safe(name(w)) },
					compare: func(x, y workflowRow) int { return cmp.Compare(name(x), name(y)) }},
				{title: "runs", width: 7, right: true, text: func(_ *App, w workflowRow) string { return count(w.runs) },
					compare: func(x, y workflowRow) int { return cmp.Compare(x.runs, y.runs) }},
				{title: "accepted, 5m", width: spark, drop: 1, text: func(a *App, w workflowRow) string {
					return a.theme.Paint(theme.First, plot.Sparkline(w.accepted, spark, a.theme.Levels, 0))
				}},
				{title: "fail %", width: 7, right: true, text: func(a *App, w workflowRow) string {
					role := theme.Text
					if w.failing > 0 {
						role = theme.Bad
					}
					return a.theme.Paint(role, plot.Number(w.failing))
				}, compare: func(x, y workflowRow) int { return cmp.Compare(x.failing, y.failing) }},
				{title: "p99", width: 7, right: true, text: func(_ *App, w workflowRow) string {
					if math.IsNaN(w.p99) {
						return "-"
					}
					return length(time.Duration(w.p99 * float64(time.Second)).Round(time.Millisecond))
				}, compare: func(x, y workflowRow) int { return cmp.Compare(x.p99, y.p99) }},
				{title: "revision", width: 9, drop: 3, right: true, text: func(_ *App, w workflowRow) string { return count(w.Status.Revision) },
					compare: func(x, y workflowRow) int { return cmp.Compare(x.Status.Revision, y.Status.Revision) }},
				{title: "changed", width: 8, drop: 4, right: true, text: func(a *App, w workflowRow) string { return age(a.now(), w.Status.UpdatedAt) },
					compare: func(x, y workflowRow) int { return x.Status.UpdatedAt.Compare(y.Status.UpdatedAt) }},
				{title: "by", width: 16, drop: 5, text: func(_ *App, w workflowRow) string { return cell.Safe(w.Status.UpdatedBy) },
					compare: func(x, y workflowRow) int { return cmp.Compare(x.Status.UpdatedBy, y.Status.UpdatedBy) }},
				{title: "source", width: 30, drop: 6, text: func(_ *App, w workflowRow) string { return cell.Safe(w.Status.Source) }},
			}},
		on: func(a *App, w workflowRow, key string) (tea.Cmd, bool) {
			switch key {
			case "enter":
				return a.push(newRuns(runFilter{Workflow: name(w)})), true
			case "e":
				return a.push(newFailures(runFilter{Workflow: name(w)})), true
			case "P":
				return a.steerWorkflow(name(w)), true
			case "y":
				return a.copy(name(w)), true
			case "o":
				ref := schema.Ref{Kind: schema.KindWorkflow, Name: name(w)}
				return a.openYAML("workflow "+cell.Safe(name(w)), func(ctx context.Context) (any, error) { return a.client.Get(ctx, ref) }), true
			}
			return nil, false
		},
		help: func(a *App) []binding {
			return []binding{
				{key: "enter", does: "its runs", line: true},
				{key: "e", does: "its failures", line: true},
				{key: "P", does: "pause, resume", why: a.whyNot(), line: true},
				{key: "o", does: "open as YAML", line: true},
				{key: "y", does: "copy the name"},
			}
		},
	}
}

// allWorkflows reads the workflows, page by page.
func (a *App) allWorkflows(ctx context.Context) ([]api.StoredResource, error) {
	var all []api.StoredResource
	for cursor := ""; ; {
		page, err := a.client.List(ctx, schema.KindWorkflow, cursor, 0)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if cursor = page.NextCursor; cursor == "" {
			return all, nil
		}
	}
}
