package tui

import tea "charm.land/bubbletea/v2"

// view is one thing to look at. Its methods are called from Update and View
// of the App alone.
type view interface {
	// name is how the title line calls it.
	name() string
	// refresh asks for what the view shows; nil when it needs nothing or waits
	// for an answer already.
	refresh(*App) tea.Cmd
	// key takes a key, by bubbletea's name for it, and tells whether it meant
	// anything here.
	key(*App, string) (tea.Cmd, bool)
	// draw returns at most height lines of at most width cells.
	draw(a *App, width, height int) []string
	// keys are what it can be told, for the help and the bottom line.
	keys(*App) []binding
}

// filtered is a view that `/` narrows.
type filtered interface {
	// filter is the text that narrows it now, hint the form of such a text.
	filter() (text, hint string)
	// setFilter narrows it. An error says what of the text is not understood.
	setFilter(a *App, text string) (tea.Cmd, error)
}

// binding is a key and what it does.
type binding struct {
	key, does string
	// why says why the key does nothing now; empty: it works.
	why string
	// line says that the bottom line tells of it.
	line bool
}
