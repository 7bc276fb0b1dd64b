package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// prompt is a line to type at the bottom of the screen.
type prompt struct {
	sign, hint string
	text       []rune
	at         int
	err        error
	// done takes the line; an error keeps the prompt open and is shown.
	done func(a *App, text string) (tea.Cmd, error)
}

func newFilter(f filtered) *prompt {
	text, hint := f.filter()
	p := &prompt{sign: "/", hint: strings.SplitN(hint, "\n", 2)[0], text: []rune(text)}
	p.at = len(p.text)
	p.done = func(a *App, text string) (tea.Cmd, error) { return f.setFilter(a, strings.TrimSpace(text)) }
	return p
}

// newJump makes the line that `:` opens.
func newJump() *prompt {
	return &prompt{sign: ":", hint: "a view, run ID, workflow NAME, quit",
		done: func(a *App, text string) (tea.Cmd, error) { return a.jump(text) }}
}

// jump goes where the words say.
func (a *App) jump(text string) (tea.Cmd, error) {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case word == "":
		return nil, nil
	case strings.HasPrefix("quit", word) && rest == "":
		return tea.Quit, nil
	case word == "run" && rest != "":
		return a.push(newRunDetail(rest)), nil
	case word == "workflow" && rest != "":
		return a.push(newRuns(runFilter{Workflow: rest})), nil
	case rest == "" && isRunID(word):
		return a.push(newRunDetail(word)), nil
	}
	i := slices.IndexFunc(a.roots, func(v view) bool { return strings.HasPrefix(v.name(), word) })
	if i < 0 || rest != "" {
		return nil, fmt.Errorf("there is no %q: a view, `run ID`, `workflow NAME` or `quit`", text)
	}
	return a.switchTo(i), nil
}

func isRunID(text string) bool {
	_, ok := schema.RunIDTime(text)
	return ok
}

func (p *prompt) insert(text string) {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	p.text = slices.Insert(p.text, p.at, []rune(text)...)
	p.at += len([]rune(text))
	p.err = nil
}

func (p *prompt) key(a *App, msg tea.KeyPressMsg) tea.Cmd {
	switch msg.String() {
	case "esc":
		a.prompt = nil
	case "enter":
		cmd, err := p.done(a, string(p.text))
		if p.err = err; err == nil {
			a.prompt = nil
		}
		return cmd
	case "backspace":
		if p.at > 0 {
			p.text = slices.Delete(p.text, p.at-1, p.at)
			p.at--
		} else if len(p.text) == 0 {
			a.prompt = nil
		}
		p.err = nil
	case "left":
		p.at = max(p.at-1, 0)
	case "right":
		p.at = min(p.at+1, len(p.text))
	case "home", "ctrl+a":
		p.at = 0
	case "end", "ctrl+e":
		p.at = len(p.text)
	case "ctrl+u":
		p.text, p.at, p.err = p.text[p.at:], 0, nil
	case "ctrl+w":
		from := p.at
		for from > 0 && p.text[from-1] == ' ' {
			from--
		}
		for from > 0 && p.text[from-1] != ' ' {
			from--
		}
		p.text, p.at, p.err = slices.Delete(p.text, from, p.at), from, nil
	default:
		if msg.Text != "" {
			p.insert(msg.Text)
		}
	}
	return nil
}

func (p *prompt) draw(a *App, width int) string {
	th := a.theme
	before, under, after := string(p.text[:p.at]), " ", ""
	if p.at < len(p.text) {
		under, after = string(p.text[p.at]), string(p.text[p.at+1:])
	}
	line := " " + th.Paint(theme.Accent, p.sign) + " " + cell.Safe(before) + th.Selected(cell.Safe(under)) + cell.Safe(after)
	switch {
	case p.err != nil:
		line += "  " + th.Paint(theme.Bad, cell.Safe(p.err.Error()))
	case p.hint != "":
		line += "  " + th.Paint(theme.Dim, p.hint)
	}
	return a.cut(line, width)
}
