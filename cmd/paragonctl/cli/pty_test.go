//go:build linux || darwin

package cli_test

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
)

func init() { commands["pty"] = onTerminal }

// onTerminal runs paragonctl on a terminal of 100 by 30 cells:
//
//	pty CODE [<DIALOG] ARGS...
//
// The dialog is a file with lines "? TEXT", which wait for the text to appear,
// "> TEXT", which type it and Enter, and "^C". What the terminal was sent is
// in the file tty afterwards, with escape characters written as ^[.
func onTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: pty CODE [<DIALOG] ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	args = args[1:]
	dialog := ""
	if file, ok := strings.CutPrefix(args[0], "<"); ok {
		dialog, args = ts.ReadFile(file), args[1:]
	}
	self, err := os.Executable()
	ts.Check(err)
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "paragonctl"
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = environment(ts)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 30, Cols: 100})
	ts.Check(err)
	defer terminal.Close()

	shown := newScreenText()
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := terminal.Read(buf)
			shown.add(buf[:n])
			if err != nil { // EIO when the other side is closed
				shown.end()
				return
			}
		}
	}()
	for line := range strings.Lines(dialog) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "? "):
			if !shown.await(line[2:]) {
				ts.Logf("%s", shown.String())
				ts.Fatalf("the terminal never showed %q", line[2:])
			}
		case strings.HasPrefix(line, "> "):
			_, err = terminal.WriteString(line[2:] + "\r")
		case line == "^C":
			_, err = terminal.WriteString("\x03")
		}
		ts.Check(err)
	}
	err = cmd.Wait()
	<-read
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	text := strings.NewReplacer("\r\n", "\n", "\x1b", "^[").Replace(shown.String())
	ts.Check(os.WriteFile(ts.MkAbs("tty"), []byte(text), 0o666))
	ts.Logf("%s", text)
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// screenText is what a terminal was sent.
type screenText struct {
	mu    sync.Mutex
	more  *sync.Cond
	text  strings.Builder
	from  int
	ended bool
}

func newScreenText() *screenText {
	s := &screenText{}
	s.more = sync.NewCond(&s.mu)
	return s
}

func (s *screenText) add(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	s.more.Broadcast()
}

func (s *screenText) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.more.Broadcast()
}

// await returns when the text has appeared after what was awaited before.
func (s *screenText) await(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if i := strings.Index(s.text.String()[s.from:], text); i >= 0 {
			s.from += i + len(text)
			return true
		}
		if s.ended {
			return false
		}
		s.more.Wait()
	}
}

func (s *screenText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
