package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"paragon/tui/cell"
	"paragon/tui/theme"
)

// dialog asks whether to do something. Its answer is No unless the reader
// picks Yes.
type dialog struct {
	// question names what is done, to what, and how many: "Cancel 12 runs?".
	question string
	// details are lines that help to decide.
	details []string
	yes     bool
	do      func(*App) tea.Cmd
}

func (d *dialog) key(a *App, key string) tea.Cmd {
	switch key {
	case "left", "right", "h", "l", "tab", "shift+tab":
		d.yes = !d.yes
	case "y", "Y":
		a.dialog = nil
		return d.do(a)
	case "enter":
		a.dialog = nil
		if d.yes {
			return d.do(a)
		}
	case "n", "N", "esc", "q":
		a.dialog = nil
	}
	return nil
}

func (d *dialog) draw(a *App, width, height int) []string {
	th := a.theme
	most := min(width-8, 76)
	var inside []string
	for _, l := range cell.Fold(d.question, most) {
		inside = append(inside, th.Paint(theme.Bold, l))
	}
	inside = append(inside, "")
	for i, l := range d.details {
		if i >= height-9 {
			inside = append(inside, "and "+count(len(d.details)-i)+" more")
			break
		}
		inside = append(inside, cell.Fold(l, most)...)
	}
	if len(d.details) > 0 {
		inside = append(inside, "")
	}
	no, yes := th.Selected(" No "), " Yes "
	if d.yes {
		no, yes = " No ", th.Selected(" Yes ")
	}
	inside = append(inside, no+"   "+yes+th.Paint(theme.Dim, "   n, y or enter"))
	w := 0
	for _, l := range inside {
		w = max(w, cell.Width(l))
	}
	edge := th.Paint(theme.Accent, th.Bar)
	rule := strings.Repeat(th.Rule, w+2)
	out := []string{th.Paint(theme.Accent, th.Corners[0]+rule+th.Corners[1])}
	for _, l := range inside {
		out = append(out, edge+" "+cell.Pad(l, w)+" "+edge)
	}
	return append(out, th.Paint(theme.Accent, th.Corners[2]+rule+th.Corners[3]))
}
