package tui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"

	"paragon/tui/cell"
)

// whole checks that what was drawn has the size of the terminal: no line is
// wider, and none is missing or too many.
func whole(t testing.TB, r *rig, width, height int, after any) {
	t.Helper()
	lines := strings.Split(r.frameText(), "\n")
	if width < minWidth || height < minHeight {
		if len(lines) > height {
			t.Fatalf("%dx%d after %v: %d lines", width, height, after, len(lines))
		}
	} else if len(lines) != height {
		t.Fatalf("%dx%d after %v: %d lines\n%s", width, height, after, len(lines), r.screen())
	}
	for _, l := range lines {
		if cell.Width(l) > width {
			t.Fatalf("%dx%d after %v: %d cells in %q", width, height, after, cell.Width(l), l)
		}
	}
}

// Whatever keys are pressed in whatever view, and whatever the terminal is
// dragged to, the screen holds together and nothing panics.
func TestAnySizeAndAnyKeys(t *testing.T) {
	keys := []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "j", "k", "g", "G", "enter", "enter", "esc", "q", "tab", "shift+tab", "/", ":", "?",
		"p", "r", "R", "x", "y", "n", "a", "f", "e", "o", "w", "s", "S", "P", "space", "pgdown", "ctrl+u", "ctrl+w", "ctrl+x", "left", "right",
		"backspace", "down", "!", "ß"}
	words := []string{"status:failed", "since:1h", `"open`, "run " + runID(21), "workers", "colour:red", "\x1b[2J"}
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t, story(), look("default", rapid.Bool().Draw(rt, "ascii")))
		defer r.Close()
		width, height := 120, 30
		var did []string
		rt.Repeat(map[string]func(*rapid.T){
			"resize": func(rt *rapid.T) {
				width, height = rapid.IntRange(1, 300).Draw(rt, "width"), rapid.IntRange(1, 80).Draw(rt, "height")
				r.send(tea.WindowSizeMsg{Width: width, Height: height})
			},
			"key": func(rt *rapid.T) {
				key := rapid.SampledFrom(keys).Draw(rt, "key")
				did = append(did, key)
				r.press(key)
			},
			"paste": func(rt *rapid.T) { r.send(tea.PasteMsg{Content: rapid.SampledFrom(words).Draw(rt, "words")}) },
			"time":  func(*rapid.T) { r.frame() },
			"server": func(rt *rapid.T) {
				r.server.mu.Lock()
				defer r.server.mu.Unlock()
				r.server.err = nil
				if rapid.Bool().Draw(rt, "away") {
					r.server.err = gone
				}
			},
			"": func(*rapid.T) { whole(t, r, width, height, did) },
		})
	})
}
