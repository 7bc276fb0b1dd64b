package tui

import (
	tea "charm.land/bubbletea/v2"

	"paragon/tui/theme"
)

// listing is a view that is a list and no more: it is filled by what ask asks
// for, and a row's keys are on's.
type listing[T any] struct {
	title string
	list  list[T]
	q     question
	// ask asks for the items; it gives them to show.
	ask func(a *App, v *listing[T]) tea.Cmd
	// on takes a key for the selected item.
	on func(a *App, item T, key string) (tea.Cmd, bool)
	// help are the keys of on.
	help func(a *App) []binding
	// missing is what to say where the server knows no such list.
	missing string
	// where sums the items up for the title line; nil: the place in the list.
	where func(a *App) string
}

func (v *listing[T]) name() string { return v.title }

func (v *listing[T]) place(a *App) string {
	if v.where == nil || len(v.list.items) == 0 {
		return v.list.place()
	}
	return v.where(a)
}

func (v *listing[T]) refresh(a *App) tea.Cmd {
	if v.q.pending {
		return nil
	}
	return v.ask(a, v)
}

// show takes the items that were asked for.
func (v *listing[T]) show(a *App, items []T) tea.Cmd {
	v.list.set(a, items)
	return nil
}

func (v *listing[T]) key(a *App, key string) (tea.Cmd, bool) {
	if v.list.key(a, key) {
		return nil, true
	}
	if key == "esc" && v.list.needle != "" {
		v.list.narrow(a, "")
		return nil, true
	}
	item, ok := v.list.current()
	if !ok || v.on == nil {
		return nil, false
	}
	return v.on(a, item, key)
}

func (v *listing[T]) filter() (string, string) { return v.list.needle, plainHint }

func (v *listing[T]) setFilter(a *App, text string) (tea.Cmd, error) {
	v.list.narrow(a, text)
	return nil, nil
}

func (v *listing[T]) draw(a *App, width, height int) []string {
	switch {
	case missing(v.q.err):
		return []string{a.theme.Paint(theme.Dim, " "+a.cut(v.missing, width-1))}
	case v.q.err != nil && !unavailable(v.q.err):
		return errorLines(a, v.q.err, width)
	case !v.q.known:
		return []string{a.theme.Paint(theme.Dim, " asking for the "+v.title+a.theme.Ellipsis)}
	}
	return v.list.draw(a, width, height)
}

func (v *listing[T]) keys(a *App) []binding {
	var out []binding
	if v.help != nil {
		out = v.help(a)
	}
	return append(out, binding{key: "/", does: "filter", line: true}, binding{key: "s", does: "sort", line: true},
		binding{key: "S", does: "turn the order round"})
}
