package tui

import (
	"bytes"
	"io"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/exp/teatest/v2"

	"paragon/schema"
)

// program runs an App in bubbletea itself, with its own frames and goroutines.
func program(t *testing.T, f *fake) (*teatest.TestModel, func(texts ...string)) {
	a := New(t.Context(), Options{Client: f})
	t.Cleanup(a.Close)
	tm := teatest.NewTestModel(t, a, teatest.WithInitialTermSize(120, 30))
	see := func(texts ...string) {
		t.Helper()
		teatest.WaitFor(t, tm.Output(), func(out []byte) bool {
			for _, text := range texts {
				if !bytes.Contains(out, []byte(text)) {
					return false
				}
			}
			return true
		}, teatest.WithDuration(20*time.Second), teatest.WithCheckInterval(5*time.Millisecond))
	}
	return tm, see
}

// left waits until the program has ended by the key q.
func left(t *testing.T, tm *teatest.TestModel) {
	t.Helper()
	tm.Type("q")
	tm.WaitFinished(t, teatest.WithFinalTimeout(20*time.Second))
	if _, err := io.Copy(io.Discard, tm.Output()); err != nil {
		t.Error(err)
	}
}

func TestFlowFindARunAndRetryIt(t *testing.T) {
	f := story()
	tm, see := program(t, f)
	see("help")
	tm.Type(":runs")
	tm.Send(tea.KeyPressMsg{Code: tea.KeyEnter})
	see(runID(21))
	tm.Type("/leads/8:")
	tm.Send(tea.KeyPressMsg{Code: tea.KeyEscape})
	tm.Type("/error:leads/8 status:failed")
	tm.Send(tea.KeyPressMsg{Code: tea.KeyEnter})
	see("1 of 1")
	tm.Type("r")
	see("Retry run")
	tm.Type("y")
	see("1 of 1, done")
	left(t, tm)
	if len(f.calls) != 1 || f.calls[0] != `replay `+runID(8)+` from "push"` {
		t.Errorf("calls %q", f.calls)
	}
}

func TestFlowWatchARun(t *testing.T) {
	f := story()
	tm, see := program(t, f)
	see("help")
	tm.Type(":run " + runID(11))
	tm.Send(tea.KeyPressMsg{Code: tea.KeyEnter})
	see("running")
	f.mu.Lock()
	for i := range f.runs {
		if f.runs[i].ID == runID(11) {
			f.runs[i].Status, f.runs[i].EndedAt, f.runs[i].Output = schema.RunSucceeded, &noon, []byte(`{"answer":42}`)
		}
	}
	f.mu.Unlock()
	see("answer")
	tm.Type("q")
	left(t, tm)
}
