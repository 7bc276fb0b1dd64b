package terminal

import (
	"bufio"
	"io"
	"os"
	"strconv"

	"github.com/muesli/termenv"
	"golang.org/x/term"
)

// Streams are a command's input and outputs.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// InTTY, OutTTY and ErrTTY tell which are terminals.
	InTTY, OutTTY, ErrTTY bool
	// NoInput forbids prompts.
	NoInput bool

	inFile, errFile *os.File
	profile         termenv.Profile
	columns, lines  int
	// answers keeps what was read of In beyond a line for the next question.
	answers *bufio.Reader
}

// System returns the process's own streams, under the environment that getenv
// reads (NO_COLOR, TERM, COLUMNS).
func System(getenv func(string) string) *Streams {
	s := &Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTTY: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTTY: term.IsTerminal(int(os.Stderr.Fd())),
		inFile: os.Stdin, errFile: os.Stderr,
	}
	s.profile = profile(getenv)
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && n > 0 {
		s.columns = n
	}
	return s
}

// profile is how many colours the terminal of the environment shows. It asks
// the environment only: a question to the terminal itself would take time and
// eat input.
func profile(getenv func(string) string) termenv.Profile {
	if getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" || getenv("TERM") == "" {
		return termenv.Ascii
	}
	return termenv.NewOutput(io.Discard, termenv.WithEnvironment(environ(getenv)), termenv.WithTTY(true)).EnvColorProfile()
}

type environ func(string) string

func (e environ) Getenv(name string) string { return e(name) }
func (e environ) Environ() []string         { return nil }

// CanPrompt tells whether there is a person to ask.
func (s *Streams) CanPrompt() bool { return s.InTTY && s.ErrTTY && !s.NoInput }

// Live tells whether messages can be redrawn in place.
func (s *Streams) Live() bool { return s.ErrTTY && s.profile != termenv.Ascii }

// Size is the width and height in cells of the terminal behind the messages;
// 80 by 24 where there is none.
func (s *Streams) Size() (columns, lines int) {
	columns, lines = s.columns, s.lines
	if s.errFile != nil && s.ErrTTY {
		if w, h, err := term.GetSize(int(s.errFile.Fd())); err == nil {
			if columns == 0 {
				columns = w
			}
			lines = h
		}
	}
	if columns <= 0 {
		columns = 80
	}
	if lines <= 0 {
		lines = 24
	}
	return columns, lines
}
