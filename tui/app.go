package tui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/tui/theme"
)

// frameEvery is the least time between two drawings that no key asked for,
// clockEvery the most: ages grow by the second.
const (
	frameEvery = 250 * time.Millisecond
	clockEvery = time.Second
)

// Options say what the dashboard shows, and how.
type Options struct {
	Client Client
	// Theme is how it looks; nil is the default.
	Theme *theme.Theme
	// ReadOnly forbids every action that changes something.
	ReadOnly bool
	// Now is the clock; nil is the system's.
	Now func() time.Time
	// YAML writes a value as YAML; nil shows JSON instead.
	YAML func(v any) ([]byte, error)
}

// App is the dashboard.
type App struct {
	client   Client
	theme    *theme.Theme
	readOnly bool
	now      func() time.Time
	yaml     func(v any) ([]byte, error)
	work     *work
	// frames makes the command that brings the next frameMsg, listen the one
	// that opens the nth stream of numbers.
	frames func() tea.Cmd
	listen func(n uint64) tea.Cmd

	width, height int
	// roots are the views of the keys 1 to 9, stack the open ones, the root
	// first.
	roots []view
	stack []view
	// What lies over the views; nil: nothing.
	dialog *dialog
	prompt *prompt
	help   *document

	conn     connection
	live     live
	whoami   question
	identity *api.Identity
	job      *job
	// frozen is since when the screen stands still; zero: it is live.
	frozen time.Time
	note   note

	// frame is the screen as drawn last, at drawn; dirty, whether something
	// changed since.
	frame string
	drawn time.Time
	dirty bool
	// fatal is what ended the dashboard.
	fatal error
}

// note is a line about what was just done; it goes by itself.
type note struct {
	text  string
	role  theme.Role
	until time.Time
}

// New makes a dashboard. Close ends what it began.
func New(ctx context.Context, o Options) *App {
	a := &App{client: o.Client, theme: o.Theme, readOnly: o.ReadOnly, now: o.Now, yaml: o.YAML, work: newWork(ctx), frames: nextFrame}
	if a.theme == nil {
		a.theme, _ = theme.Named("", false)
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.listen = a.openStream
	a.live.conn.what = "numbers "
	a.roots = a.rootViews()
	a.stack = []view{a.roots[0]}
	return a
}

// Close ends the commands that still run and waits for them.
func (a *App) Close() { a.work.close() }

// Run shows the dashboard on a terminal until the reader leaves, or fails with
// why the server refuses it.
func Run(ctx context.Context, o Options, opts ...tea.ProgramOption) error {
	a := New(ctx, o)
	defer a.Close()
	_, err := tea.NewProgram(a, append(opts, tea.WithContext(ctx))...).Run()
	switch {
	case a.fatal != nil:
		return a.fatal
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, tea.ErrInterrupted):
		return nil
	case err != nil:
		return fmt.Errorf("the dashboard ended: %w", err)
	}
	return nil
}

// frameMsg comes four times a second: it is when data that arrived is drawn,
// and when the open view asks for more.
type frameMsg struct{}

func nextFrame() tea.Cmd {
	return tea.Tick(frameEvery, func(time.Time) tea.Msg { return frameMsg{} })
}

// Init asks who one is and for what the first view shows.
func (a *App) Init() tea.Cmd {
	return tea.Batch(a.frames(), a.greet(), a.live.keepUp(a), a.refresh())
}

func (a *App) greet() tea.Cmd {
	return ask(a, &a.whoami, a.client.WhoAmI, func(a *App, who *api.Identity) tea.Cmd {
		a.identity = who
		return nil
	})
}

// Update takes a message and draws when a key asked for it or a frame is due.
func (a *App) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		a.width, a.height = msg.Width, msg.Height
		a.redraw()
	case tea.KeyPressMsg:
		cmd = a.onKey(msg)
		a.redraw()
	case tea.PasteMsg:
		if a.prompt != nil {
			a.prompt.insert(msg.Content)
			a.redraw()
		}
	case reply:
		cmd = a.answered(msg)
		a.changed()
		if refused(msg.err) && !a.whoami.known {
			a.fatal = msg.err
			return a, tea.Quit
		}
	case jobMsg:
		cmd = a.progress(msg)
		a.changed()
	case secondMsg:
		cmd = a.live.hear(a, msg)
		a.changed()
	case frameMsg:
		cmd = tea.Batch(a.frames(), a.onFrame())
		since := a.now().Sub(a.drawn)
		if a.dirty && since >= frameEvery || since >= clockEvery {
			a.redraw()
		}
	}
	return a, cmd
}

// refused tells an error that says that the token is not taken at all.
func refused(err error) bool {
	var p *schema.Problem
	return errors.As(err, &p) && (p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden)
}

// onFrame asks for what the open view shows when that is due.
func (a *App) onFrame() tea.Cmd {
	now := a.now()
	if a.note.text != "" && now.After(a.note.until) {
		a.note = note{}
	}
	stream := a.live.keepUp(a)
	if !a.frozen.IsZero() || !a.conn.due(now) {
		return stream
	}
	var who tea.Cmd
	if !a.whoami.known && !a.whoami.pending {
		who = a.greet()
	}
	return tea.Batch(stream, who, a.watchJob(), a.refresh())
}

// refresh asks for what the open view shows.
func (a *App) refresh() tea.Cmd {
	a.conn.tried = a.now()
	return a.open().refresh(a)
}

// View is the screen as drawn last.
func (a *App) View() tea.View {
	v := tea.NewView(a.frame)
	v.AltScreen = true
	v.WindowTitle = "paragon " + a.client.Project()
	return v
}

func (a *App) redraw() {
	a.frame = a.draw()
	a.dirty, a.drawn = false, a.now()
}

// changed draws what came in, at once when the last drawing is long enough ago
// and else with the next frame.
func (a *App) changed() {
	if a.dirty = true; a.now().Sub(a.drawn) >= frameEvery {
		a.redraw()
	}
}

// open is the view on top.
func (a *App) open() view { return a.stack[len(a.stack)-1] }

// push opens a view over the others.
func (a *App) push(v view) tea.Cmd {
	a.stack = append(a.stack, v)
	return a.refresh()
}

// pop goes back to the view before; at the root it does nothing.
func (a *App) pop() tea.Cmd {
	if len(a.stack) == 1 {
		return nil
	}
	a.stack = a.stack[:len(a.stack)-1]
	return a.refresh()
}

// switchTo opens a root view in place of all others.
func (a *App) switchTo(i int) tea.Cmd {
	if i < 0 || i >= len(a.roots) {
		return nil
	}
	a.stack = []view{a.roots[i]}
	return a.refresh()
}

// root is which root view is open.
func (a *App) root() int {
	for i, v := range a.roots {
		if v == a.stack[0] {
			return i
		}
	}
	return 0
}

// say shows a note for a while.
func (a *App) say(role theme.Role, format string, args ...any) {
	a.note = note{text: fmt.Sprintf(format, args...), role: role, until: a.now().Add(6 * time.Second)}
}

// whyNot says why the reader may change nothing; empty when they may try.
func (a *App) whyNot() string {
	switch {
	case a.readOnly:
		return "read only: started with --read-only"
	case a.identity != nil && a.identity.Role == "viewer":
		return "your role is viewer, which only reads"
	case a.job != nil && !a.job.ended():
		return "one job at a time: " + a.job.title + " is under way"
	}
	return ""
}
