package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"paragon/tui/cell"
	"paragon/tui/theme"
)

// The smallest screen that the dashboard is drawn on.
const minWidth, minHeight = 60, 16

// cut shortens a text to so many cells.
func (a *App) cut(text string, cells int) string {
	if a.theme.ASCII {
		return cell.CutASCII(text, cells)
	}
	return cell.Cut(text, cells)
}

// fit makes a text exactly so many cells wide.
func (a *App) fit(text string, cells int, right bool) string {
	text = a.cut(text, cells)
	if right {
		return cell.PadLeft(text, cells)
	}
	return cell.Pad(text, cells)
}

// draw draws the whole screen: the tabs, the title of the open view, the view,
// what there is to say, and the keys.
func (a *App) draw() string {
	if a.width == 0 || a.height == 0 {
		return ""
	}
	if a.width < minWidth || a.height < minHeight {
		text := fmt.Sprintf("The dashboard needs %dx%d cells; this terminal has %dx%d.", minWidth, minHeight, a.width, a.height)
		lines := cell.Fold(text, a.width)
		return strings.Join(lines[:min(len(lines), a.height)], "\n")
	}
	top := []string{a.tabs(), a.titleLine()}
	var bottom []string
	if banner := a.banner(); banner != "" {
		bottom = append(bottom, banner)
	}
	bottom = append(bottom, a.bottomLine())
	room := a.height - len(top) - len(bottom)

	body := a.open().draw(a, a.width, room)
	if a.help != nil {
		body = a.help.draw(a, a.width, room)
	}
	body = body[:min(len(body), room)]
	for len(body) < room {
		body = append(body, "")
	}
	if a.dialog != nil {
		body = overlay(body, a.dialog.draw(a, a.width, room), a.width)
	}
	lines := append(append(top, body...), bottom...)
	for i := range lines {
		lines[i] = a.cut(lines[i], a.width)
	}
	return strings.Join(lines, "\n")
}

// tabs is the line of the root views, the open one marked, and at the right
// where this is.
func (a *App) tabs() string {
	where := cell.Safe(a.client.Project() + " @ " + strings.TrimPrefix(strings.TrimPrefix(a.client.Server(), "http://"), "https://"))
	// Where all names don't fit, the last ones are left out, but that of the open
	// view.
	line := a.tabNames(len(a.roots))
	for named := len(a.roots); cell.Width(line) > a.width && named > 0; named-- {
		line = a.tabNames(named - 1)
	}
	if left := a.width - cell.Width(line) - 2; left >= 12 {
		line += "  " + a.theme.Paint(theme.Dim, a.fit(where, left, true))
	}
	return line
}

// tabNames lists the first views, the leading ones by name, the others by key.
func (a *App) tabNames(named int) string {
	var line strings.Builder
	for i, v := range a.roots {
		key := fmt.Sprint(i + 1)
		switch {
		case i == a.root():
			line.WriteString(a.theme.Selected(" " + key + " " + v.name() + " "))
		case i < named:
			line.WriteString(" " + a.theme.Paint(theme.Accent, key) + " " + v.name() + " ")
		default:
			line.WriteString(" " + a.theme.Paint(theme.Accent, key) + " ")
		}
	}
	return line.String()
}

// placed is a view that says where in its list the reader is.
type placed interface{ place(*App) string }

// titleLine names the open views, the filter, and the place in the list.
func (a *App) titleLine() string {
	th := a.theme
	var names []string
	for _, v := range a.stack {
		names = append(names, v.name())
	}
	title := " " + th.Paint(theme.Bold, strings.Join(names, " > "))
	if a.help != nil {
		title = " " + th.Paint(theme.Bold, a.help.title)
	} else if f, ok := a.open().(filtered); ok {
		if text, _ := f.filter(); text != "" {
			title += "  " + th.Paint(theme.Notice, "/ "+cell.Safe(text))
		}
	}
	right := ""
	if p, ok := a.open().(placed); ok && a.help == nil {
		right = " " + p.place(a) + " "
	}
	if a.readOnly {
		right = " read only " + th.Point + right
	}
	title = a.cut(title+" ", a.width-cell.Width(right)-1)
	fill := strings.Repeat(th.Rule, max(a.width-cell.Width(title)-cell.Width(right), 0))
	return title + th.Paint(theme.Dim, fill+right)
}

// banner is the line of what matters more than the keys: a lost connection, a
// frozen screen, a job, a note, an error of the view.
func (a *App) banner() string {
	th, now := a.theme, a.now()
	for _, c := range []*connection{&a.conn, &a.live.conn} {
		if b := c.banner(th, now); b != "" {
			return " " + b
		}
	}
	switch {
	case !a.frozen.IsZero():
		return " " + th.Paint(theme.Notice, th.Warn+" the screen stands still since "+short(now.Sub(a.frozen))+"; p goes on")
	case a.note.text != "":
		return " " + th.Paint(a.note.role, a.note.text)
	case a.job != nil:
		return " " + a.job.line(a)
	}
	return ""
}

// bottomLine is the line that is typed, or the keys of the open view.
func (a *App) bottomLine() string {
	if a.prompt != nil {
		return a.prompt.draw(a, a.width)
	}
	var parts []string
	show := func(b binding) {
		text := a.theme.Paint(theme.Accent, b.key) + " " + b.does
		if b.why != "" {
			text = a.theme.Paint(theme.Dim, b.key+" "+b.does)
		}
		parts = append(parts, text)
	}
	room := a.width - cell.Width(" ? help  q back")
	for _, b := range a.open().keys(a) {
		if !b.line {
			continue
		}
		if room -= cell.Width(b.key) + cell.Width(b.does) + 3; room < 0 {
			break
		}
		show(b)
	}
	show(binding{key: "?", does: "help"})
	if len(a.stack) > 1 {
		show(binding{key: "q", does: "back"})
	} else {
		show(binding{key: "q", does: "quit"})
	}
	return " " + strings.Join(parts, "  ")
}

// overlay lays a box over the middle of lines.
func overlay(lines, box []string, width int) []string {
	out := append([]string(nil), lines...)
	w := 0
	for _, l := range box {
		w = max(w, cell.Width(l))
	}
	x, y := max((width-w)/2, 0), max((len(lines)-len(box))/2, 0)
	for i, l := range box {
		if y+i >= len(out) {
			break
		}
		under := cell.Pad(out[y+i], width)
		out[y+i] = ansi.Cut(under, 0, x) + cell.Pad(l, w) + ansi.Cut(under, x+w, width)
	}
	return out
}
