package function

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"modernc.org/quickjs"
)

// MaxSource bounds a function's source, in bytes.
const MaxSource = 256 << 10

// Program is a compiled function. It is immutable and safe for concurrent use.
type Program struct {
	source   string
	bytecode []byte
}

// Source is the text that the program was compiled from.
func (p *Program) Source() string { return p.source }

// The source becomes the body of an async function, so that it may await. The
// line breaks keep its columns, and a comment at its end from swallowing ours.
const (
	head     = "(async function (input, steps, settings) {\"use strict\";\n"
	tail     = "\n})"
	headLine = 1 // lines of head
)

// wrappings are two places for the function, in an expression and as a statement.
// A source with unbalanced braces that closes the function early and opens
// another may fit one of them, but not both.
var wrappings = [][2]string{
	{head, tail},
	{"async function f(input, steps, settings) {\"use strict\";\n", "\n}"},
}

// Compile checks and compiles the body of a function of input, steps and
// settings. Its error is an *Error of KindSyntax with the place in the source.
func Compile(source string) (*Program, error) {
	if len(source) > MaxSource {
		return nil, &Error{Kind: KindSyntax, Message: fmt.Sprintf("the source is longer than %d bytes", MaxSource)}
	}
	if strings.ContainsRune(source, 0) {
		return nil, &Error{Kind: KindSyntax, Message: "the source holds a NUL character"}
	}
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, &Error{Kind: KindWorker, Message: "the engine can't be made: " + err.Error()}
	}
	defer vm.Close()
	vm.SetMemoryLimit(64 << 20)
	if err := vm.SetEvalTimeout(5 * time.Second); err != nil {
		return nil, &Error{Kind: KindWorker, Message: err.Error()}
	}
	p := &Program{source: source}
	for i, w := range wrappings {
		bytecode, err := vm.Compile(w[0]+source+w[1], quickjs.EvalGlobal)
		if err != nil {
			return nil, syntaxError(err, source)
		}
		if i == 0 {
			p.bytecode = bytecode
		}
	}
	return p, nil
}

func syntaxError(err error, source string) *Error {
	e := &Error{Kind: KindSyntax, Message: err.Error()}
	var js *quickjs.Error
	if !errors.As(err, &js) {
		return e
	}
	e.Name, e.Message = js.Name, js.Message
	e.Line, e.Column = js.LineNumber, js.ColumnNumber
	if e.Line == 0 {
		e.Line, e.Column = place(js.Stack)
	} else {
		e.Line -= headLine
	}
	// An error that shows in the tail is something left open in the source: its
	// last line is as near as we get.
	if lines := strings.Count(source, "\n") + 1; e.Line > lines {
		e.Line, e.Column = lines, 0
		// The engine names the brace that we put behind the source.
		if strings.HasSuffix(e.Message, "'}'") {
			e.Message = "the source ends too early"
		}
	}
	if e.Line < 1 {
		e.Line, e.Column = 0, 0
	}
	return e
}

var frame = regexp.MustCompile(`(?:<eval>|<input>):(\d+)(?::(\d+))?`)

// place is the uppermost place of a stack trace that is in the function's source.
// Frames of the prelude have line numbers that no source reaches.
func place(stack string) (line, column int) {
	for _, m := range frame.FindAllStringSubmatch(stack, 64) {
		line, _ = strconv.Atoi(m[1])
		if line > headLine && line < preludeLine {
			column, _ = strconv.Atoi(m[2])
			return line - headLine, column
		}
	}
	return 0, 0
}
