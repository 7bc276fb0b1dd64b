package tui

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// waiting is where runs wait: a queue, or a workflow that is paused.
type waiting struct {
	queue  *api.Queue
	paused *api.PausedWorkflow
}

// queuesAndPaused is what one question of the queues view brings.
type queuesAndPaused struct {
	queues []api.Queue
	paused []api.PausedWorkflow
}

func (w waiting) id() string { return w.kind() + "/" + w.name() }

func (w waiting) kind() string {
	if w.paused != nil {
		return "workflow"
	}
	return "queue"
}

func (w waiting) name() string {
	if w.paused != nil {
		return w.paused.Workflow
	}
	return w.queue.Name
}

func (w waiting) isPaused() bool { return w.paused != nil || w.queue.Paused }

func (w waiting) status() string {
	if w.isPaused() {
		return "paused"
	}
	return "open"
}

// runs is how many runs wait there.
func (w waiting) runs() int64 {
	if w.paused != nil {
		return w.paused.Held
	}
	return w.queue.Runs
}

// since is since when: of a queue, its oldest run waits; of a workflow, it is
// paused. Zero: nothing waits.
func (w waiting) since() time.Time {
	if w.paused != nil {
		return w.paused.Since
	}
	return w.queue.Oldest
}

// newQueues lists the paused workflows and the queues: how many runs wait in
// each, and how long the oldest of them has.
func newQueues() *listing[waiting] {
	v := &listing[waiting]{title: "queues", missing: "This server shows no queues."}
	v.ask = func(a *App, v *listing[waiting]) tea.Cmd {
		return ask(a, &v.q, a.allQueues, func(a *App, got queuesAndPaused) tea.Cmd {
			rows := make([]waiting, 0, len(got.paused)+len(got.queues))
			for i := range got.paused {
				rows = append(rows, waiting{paused: &got.paused[i]})
			}
			for i := range got.queues {
				rows = append(rows, waiting{queue: &got.queues[i]})
			}
			return v.show(a, rows)
		})
	}
	v.list = list[waiting]{id: waiting.id, empty: "No queues yet: workers make them.", sortBy: -1, columns: []column[waiting]{
		{title: "status", width: 8, text: func(a *App, w waiting) string { return a.theme.Status(w.status()) },
			compare: func(x, y waiting) int { return cmp.Compare(y.status(), x.status()) }},
		{title: "kind", width: 8, drop: 2, text: func(a *App, w waiting) string { return a.theme.Paint(theme.Dim, w.kind()) }},
		{title: "name", width: 14, grow: true, text: func(_ *App, w waiting) string { return cell.Safe(w.name()) },
			compare: func(x, y waiting) int { return cmp.Compare(x.name(), y.name()) }},
		{title: "runs", width: 9, right: true, text: func(_ *App, w waiting) string { return count(w.runs()) },
			compare: func(x, y waiting) int { return cmp.Compare(x.runs(), y.runs()) }},
		{title: "", width: 20, drop: 3, text: func(a *App, w waiting) string {
			most := int64(0)
			for _, other := range v.list.items {
				most = max(most, other.runs())
			}
			return a.bar(theme.First, w.runs(), most, 20)
		}},
		{title: "oldest", width: 8, right: true, text: func(a *App, w waiting) string {
			if w.since().IsZero() {
				return a.theme.Paint(theme.Dim, "-")
			}
			return short(a.now().Sub(w.since()))
		}, compare: func(x, y waiting) int { return olderFirst(y.since(), x.since()) }},
		{title: "paused by", width: 14, drop: 1, text: func(_ *App, w waiting) string {
			if w.paused == nil {
				return ""
			}
			return cell.Safe(w.paused.By)
		}},
	}}
	v.where = func(a *App) string { return queuesPlace(a, v.list.items) }
	v.on = func(a *App, w waiting, key string) (tea.Cmd, bool) {
		switch key {
		case "enter":
			if w.paused != nil {
				return a.push(newRuns(runFilter{Workflow: w.name()})), true
			}
			f, _ := parseRunFilter("status:queued", a.now())
			return a.push(newRuns(f)), true
		case "P":
			return a.steer(w.kind(), w.name(), !w.isPaused()), true
		case "y":
			return a.copy(w.name()), true
		}
		return nil, false
	}
	v.help = func(a *App) []binding {
		return []binding{
			{key: "enter", does: "runs that wait", line: true},
			{key: "P", does: "pause, resume", why: a.whyNot(), line: true},
			{key: "y", does: "copy the name"},
		}
	}
	return v
}

// olderFirst orders times, the oldest first and those that are none last.
func olderFirst(x, y time.Time) int {
	switch {
	case x.IsZero() && y.IsZero():
		return 0
	case x.IsZero():
		return 1
	case y.IsZero():
		return -1
	}
	return x.Compare(y)
}

// queuesPlace sums the queues up.
func queuesPlace(a *App, rows []waiting) string {
	var (
		runs   int64
		oldest time.Time
		queues int
	)
	for _, w := range rows {
		if w.queue == nil {
			continue
		}
		queues++
		runs += w.queue.Runs
		if olderFirst(w.queue.Oldest, oldest) < 0 {
			oldest = w.queue.Oldest
		}
	}
	text := plural(queues, "queue") + " " + a.theme.Point + " " + plural(int(runs), "run")
	if !oldest.IsZero() {
		text += " " + a.theme.Point + " oldest " + short(a.now().Sub(oldest))
	}
	return text
}

func (a *App) allQueues(ctx context.Context) (got queuesAndPaused, err error) {
	queues, err := a.client.Queues(ctx)
	if err != nil {
		return got, err
	}
	paused, err := a.client.PausedWorkflows(ctx)
	if err != nil {
		return got, err
	}
	return queuesAndPaused{queues.Items, paused.Items}, nil
}

// steering is what pausing and resuming mean, by the kind of what is paused.
var steering = map[string]struct {
	pause, resume func(Client, context.Context, string) error
	means         string
}{
	"queue": {Client.PauseQueue, Client.ResumeQueue,
		"Workers take nothing more from it, of any project; what runs goes on. Runs are accepted and wait."},
	"workflow": {Client.PauseWorkflow, Client.ResumeWorkflow,
		"Its runs are accepted and not begun; those that have begun go on."},
}

// steer asks whether to pause a queue or a workflow, or let it go on.
func (a *App) steer(kind, name string, pause bool) tea.Cmd {
	if no := a.whyNot(); no != "" {
		a.say(theme.Notice, "%s", no)
		return nil
	}
	s := steering[kind]
	word, do, means := "Resume", s.resume, "What was held is taken up at once."
	if pause {
		word, do, means = "Pause", s.pause, s.means
	}
	what := kind + " " + name
	a.dialog = &dialog{question: word + " " + cell.Safe(what) + "?", details: []string{means}, do: func(a *App) tea.Cmd {
		return a.start(strings.ToLower(word)+" "+cell.Safe(what),
			[]func(context.Context) error{func(ctx context.Context) error { return do(a.client, ctx, name) }})
	}}
	return nil
}

// steerWorkflow finds out whether a workflow is paused and asks whether to
// change that.
func (a *App) steerWorkflow(name string) tea.Cmd {
	if no := a.whyNot(); no != "" {
		a.say(theme.Notice, "%s", no)
		return nil
	}
	return ask(a, &question{aloud: true}, a.client.PausedWorkflows, func(a *App, page *api.List[api.PausedWorkflow]) tea.Cmd {
		paused := slices.ContainsFunc(page.Items, func(p api.PausedWorkflow) bool { return p.Workflow == name })
		return a.steer("workflow", name, !paused)
	})
}

// bar is a value as a length: the whole of the cells is the most.
func (a *App) bar(role theme.Role, value, most int64, cells int) string {
	if value <= 0 || most <= 0 {
		return ""
	}
	return a.theme.Paint(role, strings.Repeat(a.theme.Span, max(int(value*int64(cells)/most), 1)))
}
