package tui

import (
	"cmp"
	"context"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// newWorkers lists the processes that execute runs: whether each was heard of
// late, and how many runs it has.
func newWorkers() *listing[api.Worker] {
	v := &listing[api.Worker]{title: "workers", missing: "This server shows no workers."}
	v.ask = func(a *App, v *listing[api.Worker]) tea.Cmd {
		return ask(a, &v.q, func(ctx context.Context) (*api.List[api.Worker], error) { return a.client.Workers(ctx) },
			func(a *App, page *api.List[api.Worker]) tea.Cmd { return v.show(a, page.Items) })
	}
	status := func(w api.Worker) string {
		if w.Alive {
			return "alive"
		}
		return "lost"
	}
	v.list = list[api.Worker]{id: func(w api.Worker) string { return w.ID }, sortBy: -1,
		empty: "No worker was heard of: nothing is executed until one starts (`paragond serve --roles worker`).",
		columns: []column[api.Worker]{
			{title: "status", width: 8, text: func(a *App, w api.Worker) string { return a.theme.Status(status(w)) },
				compare: func(x, y api.Worker) int { return cmp.Compare(status(y), status(x)) }},
			{title: "worker", width: 20, grow: true, text: func(_ *App, w api.Worker) string { return cell.Safe(w.ID) },
				compare: func(x, y api.Worker) int { return cmp.Compare(x.ID, y.ID) }},
			{title: "heartbeat", width: 10, right: true, text: func(a *App, w api.Worker) string {
				role := theme.Text
				if !w.Alive {
					role = theme.Bad
				}
				return a.theme.Paint(role, short(a.now().Sub(w.LastSeen))+" ago")
			}, compare: func(x, y api.Worker) int { return y.LastSeen.Compare(x.LastSeen) }},
			{title: "runs", width: 7, right: true, text: func(_ *App, w api.Worker) string { return count(w.Running) },
				compare: func(x, y api.Worker) int { return cmp.Compare(x.Running, y.Running) }},
			{title: "", width: 20, drop: 1, text: func(a *App, w api.Worker) string {
				most := int64(0)
				for _, other := range v.list.items {
					most = max(most, other.Running)
				}
				return a.bar(theme.Active, w.Running, most, 20)
			}},
		}}
	v.where = func(a *App) string {
		alive, runs := 0, int64(0)
		for _, w := range v.list.items {
			runs += w.Running
			if w.Alive {
				alive++
			}
		}
		return count(alive) + " of " + plural(len(v.list.items), "worker") + " alive " + a.theme.Point + " " + plural(int(runs), "run")
	}
	v.on = func(a *App, w api.Worker, key string) (tea.Cmd, bool) {
		switch key {
		case "enter":
			return a.push(newWorkerRuns(w.ID)), true
		case "y":
			return a.copy(w.ID), true
		}
		return nil, false
	}
	v.help = func(*App) []binding {
		return []binding{{key: "enter", does: "the runs it has", line: true}, {key: "y", does: "copy the id"}}
	}
	return v
}

// newWorkerRuns lists the project's runs that a worker has now, the newest of
// them.
func newWorkerRuns(worker string) *listing[*schema.Run] {
	v := &listing[*schema.Run]{title: "runs of " + cell.Safe(worker), missing: "This server does not tell which runs a worker has."}
	more := false
	v.ask = func(a *App, v *listing[*schema.Run]) tea.Cmd {
		return ask(a, &v.q, func(ctx context.Context) (*api.List[schema.Run], error) {
			return a.client.WorkerRuns(ctx, worker, "", pageSize)
		},
			func(a *App, page *api.List[schema.Run]) tea.Cmd {
				more = page.NextCursor != ""
				return v.show(a, light(page.Items))
			})
	}
	v.list = list[*schema.Run]{id: func(r *schema.Run) string { return r.ID }, columns: runColumns(), sortBy: -1,
		empty: "It has no runs of this project now."}
	v.where = func(*App) string {
		if more {
			return v.list.place() + "+"
		}
		return v.list.place()
	}
	v.on = func(a *App, run *schema.Run, key string) (tea.Cmd, bool) {
		switch key {
		case "enter":
			return a.push(newRunDetail(run.ID)), true
		case "x":
			return a.actOn(verbOf[key], []*schema.Run{run}), true
		case "y":
			return a.copy(run.ID), true
		}
		return nil, false
	}
	v.help = func(a *App) []binding {
		return []binding{{key: "enter", does: "open", line: true}, {key: "x", does: "cancel", why: a.whyNot(), line: true}, {key: "y", does: "copy the id"}}
	}
	return v
}
