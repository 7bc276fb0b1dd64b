package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/term"
)

// ErrNoPrompt says that there is nobody to ask.
var ErrNoPrompt = errors.New("there is no terminal to ask on")

// ErrInterrupted says that a person wants to end the command.
var ErrInterrupted = errors.New("interrupted")

// maxAnswer bounds what a prompt or a secret read from a stream may hold, in
// bytes.
const maxAnswer = 1 << 20

// Confirm asks a question that No answers by default. It returns ErrNoPrompt
// where nobody can be asked.
func (s *Streams) Confirm(ctx context.Context, question string) (bool, error) {
	if !s.CanPrompt() {
		return false, ErrNoPrompt
	}
	fmt.Fprintf(s.Err, "%s [y/N] ", question)
	answer, err := s.line(ctx)
	if err != nil {
		return false, err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// Ask asks for a line of text.
func (s *Streams) Ask(ctx context.Context, question string) (string, error) {
	if !s.CanPrompt() {
		return "", ErrNoPrompt
	}
	fmt.Fprintf(s.Err, "%s: ", question)
	answer, err := s.line(ctx)
	return strings.TrimSpace(answer), err
}

// AskSecret asks for a line of text without showing what is typed. It returns
// ErrInterrupted when ^C or ^D is typed.
func (s *Streams) AskSecret(ctx context.Context, question string) (string, error) {
	if !s.CanPrompt() || s.inFile == nil {
		return "", ErrNoPrompt
	}
	// The terminal stops showing what is typed before the question appears, so
	// that not even a fast typist, or a paste, is seen.
	fd := int(s.inFile.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", fmt.Errorf("ask on the terminal: %w", err)
	}
	defer term.Restore(fd, before)
	screen := term.NewTerminal(readWriter{s.In, s.Err}, "")
	// A read of a terminal can't be canceled: when the context ends first the
	// reader is left behind, and the process is about to end.
	ch := make(chan answer, 1)
	go func() {
		text, err := screen.ReadPassword(question + ": ")
		ch <- answer{text, err}
	}()
	select {
	case a := <-ch:
		if errors.Is(a.err, io.EOF) {
			fmt.Fprint(s.Err, "\r\n")
			return "", ErrInterrupted
		}
		if a.err != nil {
			return "", fmt.Errorf("read the answer: %w", a.err)
		}
		return a.text, nil
	case <-ctx.Done():
		fmt.Fprint(s.Err, "\r\n")
		return "", context.Cause(ctx)
	}
}

// readWriter joins the input and the output of a terminal.
type readWriter struct {
	io.Reader
	io.Writer
}

// answer is what came back from a terminal.
type answer struct {
	text string
	err  error
}

// ReadSecret reads a secret from In to its end, without one line break at the
// end.
func (s *Streams) ReadSecret() (string, error) {
	text, err := io.ReadAll(io.LimitReader(s.In, maxAnswer+1))
	if err != nil {
		return "", fmt.Errorf("read standard input: %w", err)
	}
	if len(text) > maxAnswer {
		return "", fmt.Errorf("standard input holds more than %d KiB", maxAnswer>>10)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

// line reads one line of In.
func (s *Streams) line(ctx context.Context) (string, error) {
	if s.answers == nil {
		s.answers = bufio.NewReader(s.In)
	}
	ch := make(chan answer, 1)
	go func() {
		text, err := s.answers.ReadString('\n')
		ch <- answer{text, err}
	}()
	select {
	case a := <-ch:
		if a.err != nil && (a.err != io.EOF || a.text == "") {
			fmt.Fprintln(s.Err)
			return "", fmt.Errorf("read the answer: %w", a.err)
		}
		return a.text, nil
	case <-ctx.Done():
		fmt.Fprintln(s.Err)
		return "", context.Cause(ctx)
	}
}
