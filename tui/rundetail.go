package tui

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// runDetail is one run: its timeline, and beside or below it what is known of
// the selected row. It is live while the run is under way.
type runDetail struct {
	id    string
	run   *schema.Run
	steps []schema.StepRecord
	// settled says that the run and all its steps had ended when last asked.
	settled bool
	q       question

	rows list[traceRow]
	text *document
	// inText says that keys go to the text.
	inText bool
}

// runAndSteps is what one question to the server brings.
type runAndSteps struct {
	run   *schema.Run
	steps []schema.StepRecord
}

func newRunDetail(id string) *runDetail {
	d := &runDetail{id: id, text: newDocument("", nil)}
	d.rows = list[traceRow]{id: func(r traceRow) string { return r.id }, sortBy: -1, columns: []column[traceRow]{
		{title: "status", width: 11, text: func(a *App, r traceRow) string { return r.status(a.theme, d.run.Status) }},
		{title: "step", width: 16, grow: true, text: func(a *App, r traceRow) string { return r.label() }},
		{title: "kind", width: 8, drop: 2, text: func(a *App, r traceRow) string {
			if r.step == nil || r.try != nil {
				return ""
			}
			return a.theme.Paint(theme.Dim, cell.Safe(r.step.Kind))
		}},
		{title: "took", width: 7, right: true, text: func(a *App, r traceRow) string { return r.took(a.now()) }},
		{title: "timeline", width: 16, text: func(a *App, r traceRow) string {
			from, to := d.extent(a.now())
			return r.bar(a.theme, from, to, d.barWidth())
		}},
	}}
	return d
}

// extent is the time that the timeline covers.
func (d *runDetail) extent(now time.Time) (from, to time.Time) {
	from, to = d.run.CreatedAt, now
	if d.run.EndedAt != nil {
		to = *d.run.EndedAt
	}
	return from, to
}

func (d *runDetail) barWidth() int { return d.rows.columns[len(d.rows.columns)-1].width }

func (d *runDetail) name() string { return "run " + cell.Safe(d.id) }

func (d *runDetail) place(a *App) string {
	if d.run == nil {
		return ""
	}
	return a.theme.Status(cell.Safe(string(d.run.Status))) + " " + length(took(a.now(), d.run))
}

func (d *runDetail) refresh(a *App) tea.Cmd {
	if d.q.pending || d.settled {
		return nil
	}
	return ask(a, &d.q, func(ctx context.Context) (runAndSteps, error) {
		// The steps are read after the run, so that those of an ended run are
		// complete.
		run, err := a.client.Run(ctx, d.id, 0)
		if err != nil {
			return runAndSteps{}, err
		}
		steps, err := a.client.Steps(ctx, d.id)
		return runAndSteps{run, steps}, err
	}, func(a *App, got runAndSteps) tea.Cmd {
		d.run, d.steps = got.run, got.steps
		d.settled = d.run.Status.Ended()
		for _, s := range d.steps {
			d.settled = d.settled && s.Status.Ended()
		}
		d.rows.set(a, traceRows(d.run, d.steps))
		d.tell(a)
		return nil
	})
}

// tell writes the text of the selected row.
func (d *runDetail) tell(a *App) {
	row, ok := d.rows.current()
	if !ok {
		return
	}
	top := d.text.top
	if d.text.title != row.id {
		top = 0
	}
	d.text.title = row.id
	d.text.set(d.about(a, row))
	d.text.top = top
}

func (d *runDetail) about(a *App, row traceRow) []string {
	switch {
	case row.try != nil:
		return attemptText(a.theme, a.now(), row.try)
	case row.step != nil:
		return stepText(a.theme, a.now(), row.step)
	}
	return runText(a.theme, a.now(), d.run)
}

func (d *runDetail) key(a *App, key string) (tea.Cmd, bool) {
	if d.run == nil {
		return nil, false
	}
	if d.inText {
		if key == "tab" || key == "shift+tab" || key == "esc" {
			d.inText = false
			return nil, true
		}
		if cmd, ok := d.text.key(a, key); ok {
			return cmd, true
		}
	} else if d.rows.key(a, key) {
		d.tell(a)
		return nil, true
	}
	switch key {
	case "tab", "shift+tab":
		d.inText = true
	case "enter":
		return d.openText(a), true
	case "y":
		return a.copy(d.run.ID), true
	case "o":
		return a.openYAML("run "+cell.Safe(d.id), func(ctx context.Context) (any, error) { return a.client.Run(ctx, d.id, 0) }), true
	case "w":
		ref := schema.Ref{Kind: schema.KindWorkflow, Name: d.run.Workflow}
		return a.openYAML("workflow "+cell.Safe(d.run.Workflow), func(ctx context.Context) (any, error) { return a.client.Get(ctx, ref) }), true
	case "r", "R", "x":
		return a.actOn(verbOf[key], []*schema.Run{d.run}), true
	default:
		return nil, false
	}
	return nil, true
}

// openText opens the selected row's text on the whole screen, live.
func (d *runDetail) openText(a *App) tea.Cmd {
	row, ok := d.rows.current()
	if !ok {
		return nil
	}
	doc := newDocument(cell.Safe(row.id), d.about(a, row))
	doc.load = func(a *App) tea.Cmd {
		if now, ok := d.rows.current(); ok && now.id == row.id {
			doc.set(d.about(a, now))
		}
		return d.refresh(a)
	}
	return a.push(doc)
}

func (d *runDetail) draw(a *App, width, height int) []string {
	th := a.theme
	if d.run == nil {
		if d.q.err != nil && !unavailable(d.q.err) {
			return errorLines(a, d.q.err, width)
		}
		return []string{th.Paint(theme.Dim, " asking for the run"+th.Ellipsis)}
	}
	bar := &d.rows.columns[len(d.rows.columns)-1].width
	if width >= 120 {
		left := width * 3 / 5
		*bar = max(left-48, 16)
		return d.beside(a, left, width, height)
	}
	*bar = max(width-60, 16)
	upper := min(d.rows.len()+1, max(height/2, 4))
	lines := d.rows.draw(a, width, upper)
	for len(lines) < upper {
		lines = append(lines, "")
	}
	lines = append(lines, d.divider(a, width))
	return append(lines, d.text.draw(a, width, height-len(lines))...)
}

// beside draws the timeline on the left and the text on the right.
func (d *runDetail) beside(a *App, left, width, height int) []string {
	rows := d.rows.draw(a, left, height)
	text := append([]string{d.divider(a, width-left-2)}, d.text.draw(a, width-left-2, height-1)...)
	lines := make([]string, height)
	edge := a.theme.Paint(theme.Dim, a.theme.Bar)
	for i := range lines {
		var l, r string
		if i < len(rows) {
			l = rows[i]
		}
		if i < len(text) {
			r = text[i]
		}
		lines[i] = cell.Pad(l, left) + edge + " " + r
	}
	return lines
}

// divider is the title of the text; it says where keys go.
func (d *runDetail) divider(a *App, width int) string {
	th := a.theme
	title := " " + cell.Safe(d.text.title) + " "
	role := theme.Dim
	if d.inText {
		role = theme.Accent
	}
	return th.Paint(role, a.cut(th.Rule+title+strings.Repeat(th.Rule, max(width-cell.Width(title)-1, 0)), width))
}

func (d *runDetail) filter() (string, string) { return d.text.filter() }

func (d *runDetail) setFilter(a *App, text string) (tea.Cmd, error) {
	d.inText = true
	return d.text.setFilter(a, text)
}

func (d *runDetail) keys(a *App) []binding {
	no := a.whyNot()
	return []binding{
		{key: "enter", does: "whole text", line: true},
		{key: "tab", does: "scroll text", line: true},
		{key: "r", does: "retry", why: no, line: true},
		{key: "x", does: "cancel", why: no, line: true},
		{key: "R", does: "replay", why: no, line: true},
		{key: "y", does: "copy id", line: true},
		{key: "o", does: "open as YAML", line: true},
		{key: "w", does: "open the workflow as YAML"},
		{key: "/", does: "look for text"},
	}
}
