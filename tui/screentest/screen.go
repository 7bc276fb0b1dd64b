package screentest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
)

// Screen is a program on a terminal.
type Screen struct {
	cmd  *exec.Cmd
	tty  *os.File
	done sync.WaitGroup

	mu    sync.Mutex
	emu   *vt.Emulator
	more  chan struct{} // closed, and made anew, at each change
	ended bool
	bytes int64
	// first is when the program first wrote a letter.
	first time.Time
}

// Start starts the command on a terminal of so many cells. Close ends it.
func Start(cmd *exec.Cmd, columns, lines int) (*Screen, error) {
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: uint16(lines), Cols: uint16(columns)})
	if err != nil {
		return nil, fmt.Errorf("start %s on a terminal: %w", cmd.Path, err)
	}
	s := &Screen{cmd: cmd, tty: tty, emu: vt.NewEmulator(columns, lines), more: make(chan struct{})}
	s.done.Add(2)
	go s.show()
	go s.answer()
	return s, nil
}

// show keeps the screen as the program writes it.
func (s *Screen) show() {
	defer s.done.Done()
	buf := make([]byte, 32<<10)
	for {
		n, err := s.tty.Read(buf)
		s.mu.Lock()
		_, _ = s.emu.Write(buf[:n]) // fails only once closed, which nobody does
		s.bytes += int64(n)
		if s.first.IsZero() && strings.TrimSpace(s.emu.String()) != "" {
			s.first = time.Now()
		}
		s.ended = err != nil // EIO once the program has ended
		close(s.more)
		s.more = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// answer gives the program what the terminal answers to its questions.
func (s *Screen) answer() {
	defer s.done.Done()
	_, _ = io.Copy(s.tty, s.emu) // ends with the program
}

// Close ends the program and waits for it.
func (s *Screen) Close() error {
	err := s.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	_, _ = s.Wait()
	return err
}

// Wait waits for the program to end and returns its exit code.
func (s *Screen) Wait() (int, error) {
	err := s.cmd.Wait()
	s.mu.Lock()
	pipe := s.emu.InputPipe()
	s.mu.Unlock()
	if c, ok := pipe.(io.Closer); ok {
		_ = c.Close()
	}
	_ = s.tty.Close()
	s.done.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return s.cmd.ProcessState.ExitCode(), err
}

// Type types text; "\r" is Enter and "\x1b" Esc.
func (s *Screen) Type(text string) error {
	_, err := io.WriteString(s.tty, text)
	return err
}

// Resize gives the terminal another size.
func (s *Screen) Resize(columns, lines int) error {
	s.mu.Lock()
	s.emu.Resize(columns, lines)
	s.mu.Unlock()
	return pty.Setsize(s.tty, &pty.Winsize{Rows: uint16(lines), Cols: uint16(columns)})
}

// Text is what the screen shows, a line a row, blanks at their ends left out.
func (s *Screen) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text()
}

func (s *Screen) text() string {
	var b strings.Builder
	for line := range strings.SplitSeq(s.emu.String(), "\n") {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// Written is how many bytes the program has written.
func (s *Screen) Written() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// First is when something was first to be seen.
func (s *Screen) First() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

// Await waits until the screen is as look wants it. It fails with the screen
// when the context or the program ends first.
func (s *Screen) Await(ctx context.Context, what string, look func(text string) bool) error {
	for {
		s.mu.Lock()
		text, more, ended := s.text(), s.more, s.ended
		s.mu.Unlock()
		if look(text) {
			return nil
		}
		if ended {
			return fmt.Errorf("the program ended before the screen showed %s:\n%s", what, text)
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("the screen never showed %s:\n%s", what, s.Text())
		}
	}
}

// AwaitText waits until the screen shows each of the texts at once.
func (s *Screen) AwaitText(ctx context.Context, texts ...string) error {
	return s.Await(ctx, fmt.Sprintf("%q", texts), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}
