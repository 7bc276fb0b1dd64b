package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"go.uber.org/goleak"

	"paragon/tui/theme"
)

// updating tells whether golden files are rewritten; teatest registers the flag.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	// teatest waits for an interrupt until the process ends.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/charmbracelet/x/exp/teatest/v2.NewTestModel.func2"))
}

// rig drives an App without a terminal: its commands run at once, its clock
// and its frames come from the test.
type rig struct {
	t testing.TB
	*App
	server *fake
	clock  time.Time
	quit   bool
	// told is what commands told bubbletea.
	told []string
}

func newRig(t testing.TB, server *fake, options ...func(*Options)) *rig {
	r := &rig{t: t, server: server, clock: noon}
	server.clock = func() time.Time { return r.clock.Truncate(time.Second) }
	o := Options{Client: server, Now: func() time.Time { return r.clock }}
	for _, change := range options {
		change(&o)
	}
	r.App = New(t.Context(), o)
	r.App.frames = func() tea.Cmd { return nil }
	r.App.listen = func(uint64) tea.Cmd { return nil }
	t.Cleanup(r.App.Close)
	r.send(tea.WindowSizeMsg{Width: 120, Height: 30})
	r.run(r.Init())
	r.frame()
	return r
}

// look chooses a theme.
func look(name string, ascii bool) func(*Options) {
	return func(o *Options) { o.Theme, _ = theme.Named(name, ascii) }
}

func readOnly(o *Options) { o.ReadOnly = true }

func (r *rig) send(msg tea.Msg) {
	_, cmd := r.Update(msg)
	r.run(cmd)
}

// run runs a command and gives Update what it brings, until nothing is left.
func (r *rig) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			r.run(c)
		}
	case tea.QuitMsg:
		r.quit = true
	case reply, jobMsg:
		r.send(msg)
	default:
		// What bubbletea is told, such as a text for the clipboard.
		r.told = append(r.told, fmt.Sprint(msg))
	}
}

// frame lets time pass until the next question is due, tells the second that
// has ended, and draws.
func (r *rig) frame() {
	r.clock = r.clock.Add(time.Second)
	if r.live.open {
		r.hears(nil)
	}
	r.send(frameMsg{})
	r.redraw()
}

// hears brings the second that has ended from the stream, or its end.
func (r *rig) hears(err error) {
	m := secondMsg{stream: r.live.stream, err: err}
	if err == nil {
		to := r.clock.Truncate(time.Second)
		m.stats = r.server.stats(to.Add(-time.Second), to, time.Second)
	}
	r.send(m)
}

// press presses keys, named as bubbletea names them.
func (r *rig) press(keys ...string) {
	for _, key := range keys {
		r.send(keyPress(key))
	}
}

// typed types text.
func (r *rig) typed(text string) {
	for _, c := range text {
		r.send(tea.KeyPressMsg{Code: c, Text: string(c)})
	}
}

func keyPress(key string) tea.KeyPressMsg {
	named := map[string]tea.KeyPressMsg{
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab}, "space": {Code: ' ', Text: " "},
		"backspace": {Code: tea.KeyBackspace}, "left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight}, "down": {Code: tea.KeyDown},
		"pgdown": {Code: tea.KeyPgDown}, "ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl},
		"ctrl+w": {Code: 'w', Mod: tea.ModCtrl}, "ctrl+x": {Code: 'x', Mod: tea.ModCtrl}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift},
	}
	if msg, ok := named[key]; ok {
		return msg
	}
	return tea.KeyPressMsg{Code: []rune(key)[0], Text: key}
}

// screen is what the next frame shows, without colours.
func (r *rig) screen() string {
	r.redraw()
	return ansi.Strip(r.frameText())
}

// frameText is what was drawn last.
func (r *rig) frameText() string { return r.View().Content }

// shows checks that the screen has each text, or with a "!" in front has not.
func (r *rig) shows(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		want := true
		if rest, no := strings.CutPrefix(text, "!"); no {
			text, want = rest, false
		}
		if strings.Contains(r.screen(), text) != want {
			r.t.Errorf("the screen shows %q: %v, want %v\n%s", text, !want, want, r.screen())
		}
	}
}

// golden compares the screen with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if updating() {
		if err := os.MkdirAll("testdata", 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./tui -update rewrites it):\n%s", path, got)
	}
}
