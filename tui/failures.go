package tui

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// mostFailures is how many failed runs are grouped, the newest ones.
const mostFailures = 10_000

// failures groups the failed runs that match a filter by workflow, step and
// error.
type failures struct {
	f      runFilter
	groups map[failureKey]*failure
	seen   map[string]bool
	// next is the cursor of what was not read yet; begun, that there is one.
	next  string
	list  list[*failure]
	newer question
	older question
}

// failureKey is what the runs of a group have in common.
type failureKey struct{ workflow, step, kind, message string }

// failure is a group of failed runs.
type failure struct {
	failureKey
	first, last time.Time
	runs        []*schema.Run
}

func newFailures(f runFilter) *failures {
	v := &failures{f: f, groups: map[failureKey]*failure{}, seen: map[string]bool{}}
	v.f.Status = []schema.RunStatus{schema.RunFailed}
	v.list = list[*failure]{
		id:    func(g *failure) string { return strings.Join([]string{g.workflow, g.step, g.kind, g.message}, "\x00") },
		empty: "No failed runs.",
		columns: []column[*failure]{
			{title: "runs", width: 6, right: true, text: func(a *App, g *failure) string { return a.theme.Paint(theme.Bad, count(len(g.runs))) },
				compare: func(x, y *failure) int { return cmp.Compare(len(x.runs), len(y.runs)) }},
			{title: "last", width: 5, right: true, text: func(a *App, g *failure) string { return age(a.now(), g.last) },
				compare: func(x, y *failure) int { return x.last.Compare(y.last) }},
			{title: "first", width: 5, right: true, drop: 2, text: func(a *App, g *failure) string { return age(a.now(), g.first) },
				compare: func(x, y *failure) int { return x.first.Compare(y.first) }},
			{title: "workflow", width: 16, text: func(a *App, g *failure) string { return cell.Safe(g.workflow) },
				compare: func(x, y *failure) int { return cmp.Compare(x.workflow, y.workflow) }},
			{title: "step", width: 12, drop: 1, text: func(a *App, g *failure) string { return cell.Safe(g.step) },
				compare: func(x, y *failure) int { return cmp.Compare(x.step, y.step) }},
			{title: "error", width: 14, grow: true, text: func(a *App, g *failure) string { return cell.Safe(g.kind + ": " + g.message) }},
		},
		sortBy: 0, descending: true,
	}
	return v
}

func (v *failures) name() string { return "failures" }

func (v *failures) place(a *App) string {
	text := v.list.place() + " groups of " + plural(len(v.seen), "run")
	if v.next != "" {
		text += "+"
	}
	return text
}

func (v *failures) refresh(a *App) tea.Cmd {
	if v.newer.pending {
		return nil
	}
	q := v.f.query(a.now())
	q.Limit = pageSize
	if !v.newer.known {
		q.Limit = bigPage
	}
	first := !v.newer.known
	return ask(a, &v.newer, func(ctx context.Context) (*api.List[schema.Run], error) { return a.client.Runs(ctx, q) },
		func(a *App, page *api.List[schema.Run]) tea.Cmd {
			v.add(a, page.Items)
			if first {
				v.next = page.NextCursor
			}
			return v.more(a)
		})
}

// more reads the failures before those known, a page at a time.
func (v *failures) more(a *App) tea.Cmd {
	if v.older.pending || v.next == "" || len(v.seen) >= mostFailures {
		return nil
	}
	q := v.f.query(a.now())
	q.Cursor, q.Limit = v.next, bigPage
	return ask(a, &v.older, func(ctx context.Context) (*api.List[schema.Run], error) { return a.client.Runs(ctx, q) },
		func(a *App, page *api.List[schema.Run]) tea.Cmd {
			v.add(a, page.Items)
			v.next = page.NextCursor
			return v.more(a)
		})
}

// varying is what may differ between errors that are the same: numbers, ids,
// hexadecimal. What telling matches of it stays: addresses and HTTP statuses.
var (
	varying = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+(:\d+)?|\b[0-9a-fA-F]{8,}(-[0-9a-fA-F]+)*\b|\br[0-9a-z]{26}\b|\d+`)
	telling = regexp.MustCompile(`^([45]\d\d|\d+\.\d+\.\d+\.\d+(:\d+)?)$`)
)

// alike is a message with what varies taken out.
func alike(message string) string {
	return varying.ReplaceAllStringFunc(message, func(part string) string {
		if telling.MatchString(part) {
			return part
		}
		return "#"
	})
}

// keyOf is the group of a failed run.
func keyOf(r *schema.Run) failureKey {
	if r.Error == nil {
		return failureKey{workflow: r.Workflow, kind: "unknown"}
	}
	message := r.Error.Message
	if len(message) > 400 {
		message = message[:400]
	}
	return failureKey{r.Workflow, failedStep(r), r.Error.Type, alike(message)}
}

// add puts runs that were not seen into their groups.
func (v *failures) add(a *App, page []schema.Run) {
	for _, r := range light(page) {
		if v.seen[r.ID] || r.Status != schema.RunFailed {
			continue
		}
		v.seen[r.ID] = true
		key := keyOf(r)
		g := v.groups[key]
		if g == nil {
			g = &failure{failureKey: key, first: r.CreatedAt}
			v.groups[key] = g
		}
		g.runs = append(g.runs, r)
		if r.CreatedAt.Before(g.first) {
			g.first = r.CreatedAt
		}
		if r.CreatedAt.After(g.last) {
			g.last = r.CreatedAt
		}
	}
	groups := make([]*failure, 0, len(v.groups))
	for _, g := range v.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(x, y *failure) int {
		return cmp.Or(y.last.Compare(x.last), cmp.Compare(v.list.id(x), v.list.id(y)))
	})
	v.list.set(a, groups)
}

// narrow is the filter that finds the runs of a group: the longest part of the
// error that all have.
func (v *failures) narrow(g *failure) runFilter {
	f := v.f
	f.Workflow, f.Error = g.workflow, ""
	for part := range strings.SplitSeq(g.message, "#") {
		if part = strings.TrimSpace(strings.ReplaceAll(part, `"`, " ")); strings.Contains(g.message, part) && len(part) > len(f.Error) {
			f.Error = part
		}
	}
	return f
}

func (v *failures) key(a *App, key string) (tea.Cmd, bool) {
	if v.list.key(a, key) {
		return nil, true
	}
	if key == "esc" && len(a.stack) == 1 && v.filterText() != "" {
		cmd, _ := v.setFilter(a, "")
		return cmd, true
	}
	g, ok := v.list.current()
	if !ok {
		return nil, false
	}
	switch key {
	case "enter":
		return a.push(newRuns(v.narrow(g))), true
	case "r", "R":
		return a.actOn(verbOf[key], g.runs), true
	case "y":
		return a.copy(g.kind + ": " + g.message), true
	}
	return nil, false
}

func (v *failures) filterText() string {
	f := v.f
	f.Status = nil
	return f.String()
}

func (v *failures) filter() (string, string) { return v.filterText(), filterHint }

func (v *failures) setFilter(a *App, text string) (tea.Cmd, error) {
	f, err := parseRunFilter(text, a.now())
	if err != nil {
		return nil, err
	}
	// The questions go on counting, so that no answer about the old filter is
	// taken for one about the new.
	newer, older := v.newer, v.older
	newer.drop()
	older.drop()
	newer.known = false
	*v = *newFailures(f)
	v.newer, v.older = newer, older
	return v.refresh(a), nil
}

func (v *failures) draw(a *App, width, height int) []string {
	switch {
	case v.newer.err != nil && !unavailable(v.newer.err):
		return errorLines(a, v.newer.err, width)
	case !v.newer.known:
		return []string{a.theme.Paint(theme.Dim, " asking for the failed runs"+a.theme.Ellipsis)}
	}
	return v.list.draw(a, width, height)
}

func (v *failures) keys(a *App) []binding {
	no := a.whyNot()
	return []binding{
		{key: "enter", does: "open its runs", line: true},
		{key: "r", does: "retry all of it", why: no, line: true},
		{key: "R", does: "replay all of it", why: no, line: true},
		{key: "/", does: "filter", line: true},
		{key: "s", does: "sort", line: true},
		{key: "S", does: "turn the order round"},
		{key: "y", does: "copy the error"},
	}
}
