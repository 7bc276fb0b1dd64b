package tui

import (
	"cmp"
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/tui/cell"
)

// newWorkflows lists the workflows, with what was counted of each. Which there
// are is asked seldom, as that is long to tell and seldom changes.
func newWorkflows() *listing[workflowRow] {
	name := workflowRow.name
	var all []api.StoredResource
	var asked time.Time
	return &listing[workflowRow]{
		title:   "workflows",
		missing: "This server has no workflows.",
		ask: func(a *App, v *listing[workflowRow]) tea.Cmd {
			if v.q.known && a.now().Sub(asked) < readAgain {
				return tea.Batch(a.live.refresh(a), v.show(a, counted(a, all)))
			}
			asked = a.now()
			return tea.Batch(a.live.refresh(a), ask(a, &v.q, a.allWorkflows, func(a *App, now []api.StoredResource) tea.Cmd {
				all = now
				return v.show(a, counted(a, all))
			}))
		},
		list: list[workflowRow]{id: name, empty: "No workflows yet: `paragonctl apply -f FILE` brings some.", sortBy: -1,
			columns: append(countedColumns(), []column[workflowRow]{
				{title: "revision", width: 9, drop: 6, right: true, text: func(_ *App, w workflowRow) string { return count(w.Status.Revision) },
					compare: func(x, y workflowRow) int { return cmp.Compare(x.Status.Revision, y.Status.Revision) }},
				{title: "changed", width: 8, drop: 7, right: true, text: func(a *App, w workflowRow) string { return age(a.now(), w.Status.UpdatedAt) },
					compare: func(x, y workflowRow) int { return x.Status.UpdatedAt.Compare(y.Status.UpdatedAt) }},
				{title: "by", width: 16, drop: 8, text: func(_ *App, w workflowRow) string { return cell.Safe(w.Status.UpdatedBy) },
					compare: func(x, y workflowRow) int { return cmp.Compare(x.Status.UpdatedBy, y.Status.UpdatedBy) }},
				{title: "source", width: 30, drop: 9, text: func(_ *App, w workflowRow) string { return cell.Safe(w.Status.Source) }},
			}...)},
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

// counted are the workflows with what was counted of each, in the time that is
// live.
func counted(a *App, all []api.StoredResource) []workflowRow {
	rows := make([]workflowRow, len(all))
	at := make(map[string]*workflowRow, len(all))
	for i, w := range all {
		rows[i].StoredResource = w
		at[w.Metadata.Name] = &rows[i]
	}
	if s := a.live.window; s != nil {
		for i := range s.Workflows {
			if row := at[s.Workflows[i].Name]; row != nil {
				row.count(a, &s.Workflows[i])
			}
		}
	}
	return rows
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
