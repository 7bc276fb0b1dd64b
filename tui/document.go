package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"paragon/tui/cell"
	"paragon/tui/theme"
)

// document is text to scroll through: a help, YAML, what a step sent.
type document struct {
	title string
	lines []string
	// load makes the lines anew for a refresh; nil: they stay.
	load func(a *App) tea.Cmd

	// wrapped are the lines at the width that they were drawn at last.
	wrapped []string
	at      int
	stale   bool
	top     int
	height  int
	needle  string
}

// newDocument makes a document of lines that are harmless already.
func newDocument(title string, lines []string) *document {
	d := &document{title: title}
	d.set(lines)
	return d
}

func (d *document) set(lines []string) {
	d.lines = d.lines[:0:0]
	for _, l := range lines {
		d.lines = append(d.lines, strings.Split(l, "\n")...)
	}
	d.stale = true
}

func (d *document) name() string { return d.title }

func (d *document) refresh(a *App) tea.Cmd {
	if d.load == nil {
		return nil
	}
	return d.load(a)
}

func (d *document) key(_ *App, key string) (tea.Cmd, bool) {
	page := max(d.height-1, 1)
	switch key {
	case "j", "down":
		d.top++
	case "k", "up":
		d.top--
	case "ctrl+d":
		d.top += page/2 + 1
	case "ctrl+u":
		d.top -= page/2 + 1
	case "pgdown", "ctrl+f", "space":
		d.top += page
	case "pgup", "ctrl+b":
		d.top -= page
	case "g", "home":
		d.top = 0
	case "G", "end":
		d.top = len(d.wrapped)
	case "n":
		d.next(d.top + 1)
	default:
		return nil, false
	}
	d.clamp()
	return nil, true
}

func (d *document) clamp() { d.top = max(min(d.top, len(d.wrapped)-d.height), 0) }

// next scrolls to the next line with the text that was searched for.
func (d *document) next(from int) {
	for i := from; d.needle != "" && i < len(d.wrapped); i++ {
		if strings.Contains(strings.ToLower(ansi.Strip(d.wrapped[i])), d.needle) {
			d.top = i
			return
		}
	}
}

func (d *document) filter() (string, string) {
	return d.needle, "a text to look for; n goes to the next place"
}

func (d *document) setFilter(_ *App, text string) (tea.Cmd, error) {
	d.needle = strings.ToLower(text)
	d.next(d.top)
	return nil, nil
}

func (d *document) keys(*App) []binding {
	return []binding{{key: "/", does: "look for text", line: true}, {key: "n", does: "next place", line: true}}
}

func (d *document) draw(a *App, width, height int) []string {
	if d.stale || d.at != width {
		d.wrapped = d.wrapped[:0]
		for _, l := range d.lines {
			d.wrapped = append(d.wrapped, cell.Wrap(strings.ReplaceAll(l, "\t", "    "), width-2)...)
		}
		d.stale, d.at = false, width
	}
	d.height = height
	d.clamp()
	var out []string
	for _, l := range d.wrapped[d.top:min(d.top+height, len(d.wrapped))] {
		if d.needle != "" && strings.Contains(strings.ToLower(ansi.Strip(l)), d.needle) {
			l = a.theme.Selected(l)
		}
		out = append(out, " "+l)
	}
	if len(d.wrapped) == 0 {
		out = append(out, a.theme.Paint(theme.Dim, " nothing here"))
	}
	return out
}
