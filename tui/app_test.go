package tui

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/tui/cell"
)

// some is a server with a few runs of each kind.
func some() *fake {
	f := newFake()
	for n := 1; n <= 12; n++ {
		switch {
		case n%4 == 0:
			f.add(n, "lead-sync", schema.RunFailed, fmt.Sprintf("POST http://10.0.0.1/leads/%d: 503 Service Unavailable", n))
		case n%4 == 1:
			f.add(n, "nightly", schema.RunSucceeded, "")
		case n == 10:
			f.add(n, "approval", schema.RunWaiting, "")
		default:
			f.add(n, "lead-sync", schema.RunRunning, "")
		}
	}
	return f
}

// runsRig is a rig at the list of runs.
func runsRig(t testing.TB, f *fake, options ...func(*Options)) *rig {
	r := newRig(t, f, options...)
	r.typed(":runs")
	r.press("enter")
	r.frame()
	return r
}

func TestKeysAndWhatTheyCall(t *testing.T) {
	failed, running := runID(12), runID(11)
	retryCall := fmt.Sprintf("replay %s from %q", failed, "push")
	tests := []struct {
		name    string
		options []func(*Options)
		role    string
		keys    []string
		calls   []string
		shows   []string
	}{
		{name: "retry asks", keys: []string{"r"}, shows: []string{"Retry run " + failed + " of lead-sync?", " No "}},
		{name: "the default is no", keys: []string{"r", "enter"}, shows: []string{"!Retry run"}},
		{name: "yes by letter", keys: []string{"r", "y"}, calls: []string{retryCall}, shows: []string{"retry 1 run: 1 of 1, done"}},
		{name: "yes by moving", keys: []string{"r", "right", "enter"}, calls: []string{retryCall}},
		{name: "there and back is no", keys: []string{"r", "right", "left", "enter"}},
		{name: "esc is no", keys: []string{"r", "esc"}},
		{name: "q is no, and does not leave", keys: []string{"r", "q"}, shows: []string{failed}},
		{name: "replay is from the start", keys: []string{"R", "y"}, calls: []string{fmt.Sprintf("replay %s from %q", failed, "")}},
		{name: "cancel is not for ended runs", keys: []string{"x"}, shows: []string{"cancel is for runs that are not ended"}},
		{name: "cancel", keys: []string{"j", "x", "y"}, calls: []string{"cancel " + running}},
		{name: "retry is not for running ones", keys: []string{"j", "r"}, shows: []string{"retry is for runs that are failed or canceled"}},
		{name: "marked ones, those that fit", keys: []string{"space", "space", "space", "r"},
			shows: []string{"Retry run " + failed, "2 runs left out: not failed or canceled."}},
		{name: "all that match", keys: []string{"a", "r"}, shows: []string{"Retry all 3 runs?", "runs of all workflows, as just counted"}},
		{name: "all that match, by the server", keys: []string{"a", "x"}, shows: []string{"Cancel all 6 runs?", "The server does it in"}},
		{name: "all that match, done", keys: []string{"a", "x", "y"}, shows: []string{"cancel 6 runs: 0 of 6", "ctrl+x stops"},
			calls: []string{"cancel all queued,running,waiting"}},
		{name: "all that match, ended", keys: []string{"a", "R", "y", "ctrl+x"}, shows: []string{"replay 6 runs: 4 of 6, stopped"},
			calls: []string{"replay all succeeded,failed,canceled", "end op1"}},
		{name: "read only", options: []func(*Options){readOnly}, keys: []string{"r"}, shows: []string{"read only: started with --read-only", "!Retry run"}},
		{name: "a viewer", role: "viewer", keys: []string{"x"}, shows: []string{"your role is viewer"}},
		{name: "the help says why not", options: []func(*Options){readOnly}, keys: []string{"?"}, shows: []string{"retry (not now: read only"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := some()
			if tt.role != "" {
				f.role = tt.role
			}
			r := runsRig(t, f, tt.options...)
			r.press(tt.keys...)
			if !slices.Equal(f.calls, tt.calls) {
				t.Errorf("calls %q, want %q", f.calls, tt.calls)
			}
			r.shows(tt.shows...)
		})
	}
}

func TestWhereKeysGo(t *testing.T) {
	tests := []struct {
		keys  []string
		stack string
		quit  bool
	}{
		{keys: nil, stack: "runs"},
		{keys: []string{"enter"}, stack: "runs > run " + runID(12)},
		{keys: []string{"enter", "enter"}, stack: "runs > run " + runID(12) + " > run"},
		{keys: []string{"enter", "enter", "esc", "esc", "esc", "esc"}, stack: "runs"},
		{keys: []string{"enter", "q"}, stack: "runs"},
		{keys: []string{"q"}, stack: "runs", quit: true},
		{keys: []string{"enter", "ctrl+c"}, stack: "runs > run " + runID(12), quit: true},
		{keys: []string{"e"}, stack: "runs > failures"},
		{keys: []string{"e", "enter"}, stack: "runs > failures > runs"},
		{keys: []string{"o"}, stack: "runs > run " + runID(12)},
		{keys: []string{"enter", "w"}, stack: "runs > run " + runID(12) + " > workflow lead-sync"},
		{keys: []string{"?", "q"}, stack: "runs"},
		{keys: []string{"space", "esc", "enter"}, stack: "runs > run " + runID(11)},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.keys, " "), func(t *testing.T) {
			r := runsRig(t, some())
			r.press(tt.keys...)
			var names []string
			for _, v := range r.stack {
				names = append(names, v.name())
			}
			if got := strings.Join(names, " > "); got != tt.stack || r.quit != tt.quit {
				t.Errorf("at %q (quit %v), want %q (%v)", got, r.quit, tt.stack, tt.quit)
			}
		})
	}
}

func TestFilter(t *testing.T) {
	r := runsRig(t, some())
	r.press("/")
	r.typed("status:failed")
	r.press("enter")
	r.shows("/ status:failed", "1 of 3", "!nightly")
	r.press("/", "ctrl+u")
	r.typed("status:broken")
	r.press("enter")
	r.shows(`"broken" is no status`)
	r.press("esc", "esc")
	r.shows("1 of 12", "!/ status")
	r.press("/")
	r.typed(`leads/8:`)
	r.press("enter")
	r.shows(`there is no field "leads/8"`)
	r.press("ctrl+u")
	r.typed(`"leads/8:" since:2h`)
	r.press("enter")
	r.shows("1 of 1", `error:leads/8: since:2h`)
}

func TestFiltersAreReadAsTheyAreWritten(t *testing.T) {
	for _, f := range []runFilter{
		{},
		{Workflow: "w", Status: []schema.RunStatus{"failed", "running"}, Error: "two words", Since: "1h", Until: "2026-01-31"},
		{Error: "status 503"},
		{Error: "a:b c"},
		{User: "u_17", Status: []schema.RunStatus{"failed"}},
	} {
		got, err := parseRunFilter(f.String(), noon)
		if err != nil || !reflect.DeepEqual(got, f) {
			t.Errorf("%q is read as %+v, %v", f.String(), got, err)
		}
	}
	for _, bad := range []string{"status:x", "since:soon", "colour:red", `"open`} {
		if _, err := parseRunFilter(bad, noon); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestJump(t *testing.T) {
	for text, want := range map[string]string{
		"failures": "failures", "run " + runID(3): "run " + runID(3), runID(3): "run " + runID(3), "workflow nightly": "runs",
		"nowhere": `there is no "nowhere"`,
	} {
		r := runsRig(t, some())
		r.press(":")
		r.typed(text)
		r.press("enter")
		r.shows(want)
	}
}

func TestALostConnection(t *testing.T) {
	f := some()
	r := runsRig(t, f)
	f.err = gone
	for range 12 {
		r.frame()
	}
	r.shows("stale 12 s", "can't reach the server at http://127.0.0.1:7420: connection refused", runID(12))
	asked := len(f.asked)
	r.clock = r.clock.Add(250 * time.Millisecond)
	r.send(frameMsg{})
	if len(f.asked) != asked {
		t.Error("a server that is away is asked four times a second")
	}
	f.err = nil
	f.add(14, "back", schema.RunRunning, "")
	r.frame()
	r.shows("!stale", runID(14))
}

func TestARefusedTokenEndsIt(t *testing.T) {
	f := some()
	f.err = &schema.Problem{Status: http.StatusUnauthorized, Title: "Unauthorized"}
	r := newRig(t, f)
	var p *schema.Problem
	if !r.quit || !errors.As(r.fatal, &p) {
		t.Errorf("quit %v with %v", r.quit, r.fatal)
	}
}

func TestAnAnswerThatWasOvertakenIsDropped(t *testing.T) {
	r := runsRig(t, some())
	v := r.open().(*runs)
	old := v.askNewest(r.App)()
	r.press("f")
	r.send(old)
	r.redraw()
	r.shows("1 of 3", "!nightly")
}

func TestTheScreenStandsStill(t *testing.T) {
	f := some()
	r := runsRig(t, f)
	r.press("p")
	r.shows("the screen stands still")
	asked := len(f.asked)
	f.add(20, "late", schema.RunRunning, "")
	r.frame()
	r.shows("!late")
	if len(f.asked) != asked {
		t.Error("a screen that stands still asks the server")
	}
	r.press("p")
	r.shows("!stands still", "late")
}

// What comes in is drawn four times a second at most, what a key does at once.
func TestRedraws(t *testing.T) {
	f := some()
	r := runsRig(t, f)
	before := r.frameText()
	f.add(20, "late", schema.RunRunning, "")
	v := r.open().(*runs)
	r.send(v.askNewest(r.App)())
	r.send(frameMsg{})
	if r.frameText() != before {
		t.Error("an answer is drawn at once though the last drawing is not long ago")
	}
	r.clock = r.clock.Add(frameEvery)
	r.send(frameMsg{})
	if !strings.Contains(r.frameText(), "late") {
		t.Error("a frame does not draw the answer")
	}
	r.press("j")
	if !strings.Contains(r.frameText(), "2 of 13") {
		t.Error("a key waits for a frame")
	}
}

func TestSizes(t *testing.T) {
	r := runsRig(t, some())
	for _, size := range [][2]int{{60, 16}, {61, 17}, {79, 24}, {120, 40}, {200, 60}, {300, 80}} {
		r.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		for _, keys := range [][]string{{"enter"}, {"enter"}, {"esc"}, {"r"}, {"esc"}, {"?"}, {"q"}, {"esc"}, {"/"}, {"esc"}} {
			r.press(keys...)
			lines := strings.Split(r.frameText(), "\n")
			if len(lines) != size[1] {
				t.Fatalf("%v after %v: %d lines", size, keys, len(lines))
			}
			for _, l := range lines {
				if cell.Width(l) > size[0] {
					t.Fatalf("%v after %v: %d cells in %q", size, keys, cell.Width(l), l)
				}
			}
		}
	}
	r.send(tea.WindowSizeMsg{Width: 59, Height: 30})
	r.shows("needs 60x16 cells; this terminal has 59x30")
}

// Text from outside is shown and never obeyed, wherever it comes up.
func TestControlCharactersAreShown(t *testing.T) {
	const evil = "\x1b]0;owned\x07\x1b[2J\u202e"
	f := newFake()
	run := f.add(1, "w"+evil, schema.RunFailed, "bad "+evil)
	run.Error.Type, run.Trigger.Kind, run.Error.Step = evil, evil, evil
	run.Input, run.TraceID = []byte(`{"a":"\u202e"}`), evil
	f.steps[run.ID] = []schema.StepRecord{{Path: "p" + evil, Step: "p" + evil, Kind: evil, Status: schema.StepFailed, StartedAt: noon,
		Attempts: []schema.Attempt{{Number: 1, Error: run.Error, Request: &schema.HTTPRecord{Method: "GET", URL: evil, Body: evil + "\n" + evil,
			Headers: map[string]string{evil: evil}}}, {Number: 2, Error: run.Error}}}}
	r := runsRig(t, f)
	for _, keys := range [][]string{{}, {"r"}, {"esc"}, {"enter"}, {"j"}, {"j"}, {"enter"}, {"esc"}, {"esc"}, {"o"}, {"esc"}, {"e"}, {"enter"}, {"y"}} {
		r.press(keys...)
		r.frame()
		text := r.frameText()
		for _, bad := range []string{"\x1b]", "\x07", "\x1b[2J", "\u202e"} {
			if strings.Contains(text, bad) {
				t.Errorf("after %v the screen has %q", keys, bad)
			}
		}
	}
}

func TestOnlyASCII(t *testing.T) {
	r := runsRig(t, some(), look("default", true))
	for _, keys := range [][]string{{}, {"enter"}, {"enter"}, {"esc"}, {"r"}, {"y"}, {"?"}, {"q"}, {"p"}} {
		r.press(keys...)
		for _, c := range r.frameText() {
			if c > 0x7e {
				t.Fatalf("after %v the screen has %q:\n%s", keys, c, r.screen())
			}
		}
	}
}
