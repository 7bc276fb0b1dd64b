package tui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

const (
	// pageSize is how many runs are asked for at once; the server gives at
	// most 500.
	pageSize = 200
	bigPage  = 500
	// mostRuns is how many runs a list holds.
	mostRuns = 100_000
)

// runs lists runs, live.
type runs struct {
	f     runFilter
	title string
	list  list[*schema.Run]
	log   runLog
	// newer says that runs came that the list does not show, as the reader
	// is further down and they came too fast.
	newer bool
	// all says that actions are for all runs that match.
	all bool

	newest, older, middle question
}

func newRuns(f runFilter) *runs {
	r := &runs{f: f, title: "runs"}
	r.list = list[*schema.Run]{
		columns: runColumns(), id: func(r *schema.Run) string { return r.ID },
		empty: "No runs yet.", marks: map[string]bool{}, sortBy: -1,
	}
	if !f.empty() {
		r.list.empty = "No runs match."
	}
	return r
}

func runColumns() []column[*schema.Run] {
	return []column[*schema.Run]{
		{title: "status", width: 11, text: func(a *App, r *schema.Run) string { return a.theme.Status(cell.Safe(string(r.Status))) }},
		{title: "run", width: 29, drop: 3, text: func(a *App, r *schema.Run) string { return cell.Safe(r.ID) }},
		{title: "workflow", width: 18, text: func(a *App, r *schema.Run) string { return cell.Safe(r.Workflow) }},
		{title: "trigger", width: 8, drop: 5, text: func(a *App, r *schema.Run) string { return cell.Safe(r.Trigger.Kind) }},
		{title: "age", width: 4, right: true, text: func(a *App, r *schema.Run) string { return age(a.now(), r.CreatedAt) }},
		{title: "took", width: 7, right: true, drop: 1, text: func(a *App, r *schema.Run) string { return length(took(a.now(), r)) }},
		{title: "tries", width: 5, right: true, drop: 2, text: func(a *App, r *schema.Run) string { return count(r.Attempts) }},
		{title: "error", width: 10, grow: true, text: func(a *App, r *schema.Run) string { return why(a, r) }},
	}
}

// took is how long a run took, or has taken so far.
func took(now time.Time, r *schema.Run) time.Duration {
	if r.EndedAt != nil {
		now = *r.EndedAt
	}
	return now.Sub(r.CreatedAt)
}

// why is why a run failed, or what it waits for.
func why(a *App, r *schema.Run) string {
	switch {
	case r.Error != nil:
		text := r.Error.Error()
		if r.Error.Status != 0 { // in front, as the end of the message may be cut
			text = fmt.Sprintf("%s %d: %s", r.Error.Type, r.Error.Status, r.Error.Message)
		}
		return a.theme.Paint(theme.Bad, cell.Safe(text))
	case r.Status == schema.RunWaiting && r.WaitUntil != nil:
		return a.theme.Paint(theme.Dim, "until "+clock(a.now(), *r.WaitUntil))
	}
	return ""
}

func (r *runs) name() string { return r.title }

func (r *runs) place(a *App) string {
	text := r.list.place()
	if r.log.next != "" {
		text += "+"
	}
	if r.newer {
		text = "newer above, g goes there " + a.theme.Point + " " + text
	}
	switch {
	case r.all:
		text = "all that match " + a.theme.Point + " " + text
	case len(r.list.marks) > 0:
		text = count(len(r.list.marks)) + " marked " + a.theme.Point + " " + text
	}
	return text
}

// following tells whether the reader is at the newest run.
func (r *runs) following() bool { return r.list.cursor == 0 }

func (r *runs) show(a *App) {
	r.list.set(a, r.log.runs)
}

// refresh asks for the newest runs, for those on the screen that may have
// changed, and for older ones when the reader comes near the end.
func (r *runs) refresh(a *App) tea.Cmd {
	return tea.Batch(r.askNewest(a), r.askMiddle(a), r.askOlder(a))
}

func (r *runs) askNewest(a *App) tea.Cmd {
	if r.newest.pending {
		return nil
	}
	q := r.f.query(a.now())
	q.Limit = pageSize
	return ask(a, &r.newest, func(ctx context.Context) (*api.List[schema.Run], error) { return a.client.Runs(ctx, q) },
		func(a *App, page *api.List[schema.Run]) tea.Cmd {
			follow := r.following()
			r.newer = !r.log.head(light(page.Items), page.NextCursor, !follow)
			if follow {
				r.list.picked = ""
				r.list.cursor = 0
			}
			r.show(a)
			return r.askOlder(a)
		})
}

// askMiddle asks anew for the runs on the screen, when some have not ended and
// the newest page is elsewhere.
func (r *runs) askMiddle(a *App) tea.Cmd {
	n := r.list.len()
	first, last := r.list.top, min(r.list.top+r.list.height, n)
	if r.middle.pending || first >= last || last < pageSize && !r.newer {
		return nil
	}
	alive := false
	for i := first; i < last; i++ {
		alive = alive || !r.list.at(i).Status.Ended()
	}
	if !alive {
		return nil
	}
	from := r.list.at(first)
	q := r.f.query(a.now())
	q.Until, q.Limit = from.CreatedAt.Add(2*time.Millisecond), bigPage
	return ask(a, &r.middle, func(ctx context.Context) (*api.List[schema.Run], error) { return a.client.Runs(ctx, q) },
		func(a *App, page *api.List[schema.Run]) tea.Cmd {
			r.log.middle(from.ID, light(page.Items), page.NextCursor == "")
			r.show(a)
			return nil
		})
}

func (r *runs) askOlder(a *App) tea.Cmd {
	n := len(r.log.runs)
	if r.older.pending || r.log.next == "" || n >= mostRuns || r.list.cursor+2*r.list.height < n {
		return nil
	}
	q := r.f.query(a.now())
	q.Cursor, q.Limit = r.log.next, bigPage
	return ask(a, &r.older, func(ctx context.Context) (*api.List[schema.Run], error) { return a.client.Runs(ctx, q) },
		func(a *App, page *api.List[schema.Run]) tea.Cmd {
			r.log.tail(light(page.Items), page.NextCursor)
			if len(r.log.runs) >= mostRuns && r.log.next != "" {
				a.say(theme.Notice, "a list holds %s runs; a filter finds older ones", count(mostRuns))
			}
			r.show(a)
			return nil
		})
}

// restart forgets what is known and asks again.
func (r *runs) restart(a *App) tea.Cmd {
	r.newest.drop()
	r.older.drop()
	r.middle.drop()
	r.log, r.newer = runLog{}, false
	r.list.moveTo(0)
	r.show(a)
	return r.refresh(a)
}

func (r *runs) key(a *App, key string) (tea.Cmd, bool) {
	if r.list.key(a, key) {
		if (key == "g" || key == "home") && r.newer {
			return r.restart(a), true
		}
		return r.askOlder(a), true
	}
	switch key {
	case "esc":
		switch {
		case r.all || len(r.list.marks) > 0:
			r.all = false
			clear(r.list.marks)
			return nil, true
		case len(a.stack) == 1 && !r.f.empty():
			cmd, _ := r.setFilter(a, "")
			return cmd, true
		}
		return nil, false
	case "a":
		r.all = !r.all
		return nil, true
	case "f":
		f := r.f
		f.Status = []schema.RunStatus{schema.RunFailed}
		cmd, _ := r.setFilter(a, f.String())
		return cmd, true
	case "e":
		return a.push(newFailures(r.f)), true
	}
	current, ok := r.list.current()
	if !ok {
		return nil, false
	}
	switch key {
	case "enter":
		return a.push(newRunDetail(current.ID)), true
	case "y":
		return a.copy(current.ID), true
	case "o":
		return a.openYAML("run "+current.ID, func(ctx context.Context) (any, error) { return a.client.Run(ctx, current.ID, 0) }), true
	case "r", "R", "x":
		verb := verbOf[key]
		if r.all {
			return a.actOnAll(verb, r.f), true
		}
		return a.actOn(verb, r.targets(current)), true
	}
	return nil, false
}

// targets are the marked runs, or the selected one.
func (r *runs) targets(current *schema.Run) []*schema.Run {
	if len(r.list.marks) == 0 {
		return []*schema.Run{current}
	}
	var out []*schema.Run
	for _, run := range r.log.runs {
		if r.list.marks[run.ID] {
			out = append(out, run)
		}
	}
	return out
}

func (r *runs) filter() (string, string) { return r.f.String(), filterHint }

func (r *runs) setFilter(a *App, text string) (tea.Cmd, error) {
	f, err := parseRunFilter(text, a.now())
	if err != nil {
		return nil, err
	}
	r.f, r.all = f, false
	r.list.empty = "No runs match."
	if f.empty() {
		r.list.empty = "No runs yet."
	}
	return r.restart(a), nil
}

func (r *runs) draw(a *App, width, height int) []string {
	if r.newest.err != nil && !unavailable(r.newest.err) {
		return errorLines(a, r.newest.err, width)
	}
	if !r.newest.known {
		return []string{a.theme.Paint(theme.Dim, " asking for the runs"+a.theme.Ellipsis)}
	}
	return r.list.draw(a, width, height)
}

func (r *runs) keys(a *App) []binding {
	no := a.whyNot()
	return []binding{
		{key: "enter", does: "open", line: true},
		{key: "r", does: "retry", why: no, line: true},
		{key: "x", does: "cancel", why: no, line: true},
		{key: "R", does: "replay", why: no, line: true},
		{key: "/", does: "filter", line: true},
		{key: "f", does: "failed only"},
		{key: "e", does: "group failures by error", line: true},
		{key: "space", does: "mark", line: true},
		{key: "a", does: "act on all that match"},
		{key: "y", does: "copy the id"},
		{key: "o", does: "open as YAML"},
	}
}

// errorLines shows in place of a view why it is not there.
func errorLines(a *App, err error, width int) []string {
	var out []string
	for _, l := range cell.Fold(cell.Safe(err.Error()), width-2) {
		out = append(out, " "+a.theme.Paint(theme.Bad, l))
	}
	return out
}
