package tui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/tui/theme"
)

// global are the keys that work in every view.
var global = []binding{
	{key: "j k", does: "down, up; also the arrows"},
	{key: "g G", does: "first, last"},
	{key: "ctrl+d ctrl+u", does: "half a page down, up; pgdn and pgup a whole one"},
	{key: "enter", does: "go in"},
	{key: "esc", does: "go out; first clears marks and filter"},
	{key: "q", does: "back; from a first view, quit"},
	{key: "1-9", does: "open a first view"},
	{key: "tab", does: "the next first view; in a run, the other pane"},
	{key: "/", does: "filter"},
	{key: ":", does: "jump: a view, `run ID`, `workflow NAME`, `quit`"},
	{key: "p", does: "let the screen stand still, and go on"},
	{key: "ctrl+x", does: "stop the job under way"},
	{key: "ctrl+c", does: "quit"},
}

// onKey gives a key to what lies on top: the dialog, the typed line, the help,
// the open view, and then to all of them alike.
func (a *App) onKey(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	switch {
	case key == "ctrl+c":
		return tea.Quit
	case a.dialog != nil:
		return a.dialog.key(a, key)
	case a.prompt != nil:
		return a.prompt.key(a, msg)
	case a.help != nil:
		if cmd, ok := a.help.key(a, key); ok {
			return cmd
		}
		if key == "esc" || key == "q" || key == "?" {
			a.help = nil
		}
		return nil
	}
	if cmd, ok := a.open().key(a, key); ok {
		return cmd
	}
	switch key {
	case "?":
		a.help = a.helpText()
	case ":":
		a.prompt = newJump()
	case "/":
		f, ok := a.open().(filtered)
		if !ok {
			a.say(theme.Notice, "there is nothing to filter here")
			return nil
		}
		a.prompt = newFilter(f)
	case "q":
		if len(a.stack) == 1 {
			return tea.Quit
		}
		return a.pop()
	case "esc":
		if a.job != nil && a.job.ended() {
			a.job = nil
			return nil
		}
		return a.pop()
	case "p":
		if a.frozen.IsZero() {
			a.frozen = a.now()
			return nil
		}
		a.frozen = time.Time{}
		return a.refresh()
	case "ctrl+x":
		return a.stopJob()
	case "ctrl+l":
		return tea.ClearScreen
	case "tab":
		return a.switchTo((a.root() + 1) % len(a.roots))
	case "shift+tab":
		return a.switchTo((a.root() + len(a.roots) - 1) % len(a.roots))
	default:
		if len(key) == 1 && key[0] >= '1' && key[0] <= '9' {
			return a.switchTo(int(key[0] - '1'))
		}
	}
	return nil
}

// helpText is the keys of the open view, and those of all.
func (a *App) helpText() *document {
	th := a.theme
	var lines []string
	table := func(title string, keys []binding) {
		lines = append(lines, th.Paint(theme.Bold, title))
		for _, b := range keys {
			line := "  " + th.Paint(theme.Accent, a.fit(b.key, 14, false)) + " " + b.does
			if b.why != "" {
				line += th.Paint(theme.Notice, " (not now: "+b.why+")")
			}
			lines = append(lines, line)
		}
		lines = append(lines, "")
	}
	if keys := a.open().keys(a); len(keys) > 0 {
		table("In "+a.open().name(), keys)
	}
	table("Everywhere", global)
	if f, ok := a.open().(filtered); ok {
		_, hint := f.filter()
		lines = append(lines, th.Paint(theme.Bold, "Filter"), "  "+strings.ReplaceAll(hint, "\n", "\n  "))
	}
	return newDocument("help", lines)
}
