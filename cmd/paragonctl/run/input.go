package run

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/schema/api"
)

// maxInput bounds the input of one run, in bytes; the server has limits of its
// own.
const maxInput = 16 << 20

// readJSON reads what a flag such as --input says: JSON, @FILE or - for standard
// input. Empty is no input.
func readJSON(env *command.Env, flag, text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	from, body := flag, []byte(text)
	switch {
	case text == "-":
		from = "standard input"
		all, err := io.ReadAll(io.LimitReader(env.In, maxInput+1))
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		body = all
	case strings.HasPrefix(text, "@"):
		from = text[1:]
		all, err := os.ReadFile(from)
		if err != nil {
			return nil, &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("read the input: %w", err)}
		}
		body = all
	}
	if len(body) > maxInput {
		return nil, &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("%s is longer than %d MiB", from, maxInput>>20)}
	}
	return checkJSON(from, body)
}

// checkJSON returns the one JSON value that the body holds, or says where it
// is none.
func checkJSON(from string, body []byte) (json.RawMessage, error) {
	body = bytes.TrimSpace(body)
	var value json.RawMessage
	err := json.Unmarshal(body, &value)
	if err == nil {
		return value, nil
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := body[:min(max(int(syntax.Offset)-1, 0), len(body))]
		line := 1 + bytes.Count(before, []byte{'\n'})
		column := 1 + len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:])))
		err = fmt.Errorf("line %d, column %d: %w", line, column, err)
	}
	return nil, &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("%s is not JSON: %w", from, err),
		Try: `write it like '{"email": "ada@example.com"}', or @FILE, or - for standard input`}
}

// inputLines are the lines of --inputs.
type inputLines struct {
	from string
	io.Reader
	close func() error
}

// Close closes the file.
func (l *inputLines) Close() error { return l.close() }

func openLines(env *command.Env, path string) (*inputLines, error) {
	if path == "-" {
		return &inputLines{"standard input", env.In, func() error { return nil }}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("read the inputs: %w", err)}
	}
	return &inputLines{path, f, f.Close}, nil
}

// requests yields a request for each line that is not empty.
func (l *inputLines) requests() iter.Seq2[api.TriggerRequest, error] {
	return func(yield func(api.TriggerRequest, error) bool) {
		scan := bufio.NewScanner(l)
		scan.Buffer(nil, maxInput)
		for n := 1; scan.Scan(); n++ {
			if len(bytes.TrimSpace(scan.Bytes())) == 0 {
				continue
			}
			input, err := checkJSON(fmt.Sprintf("%s, line %d,", l.from, n), bytes.Clone(scan.Bytes()))
			if !yield(api.TriggerRequest{Input: input}, err) || err != nil {
				return
			}
		}
		if err := scan.Err(); err != nil {
			yield(api.TriggerRequest{}, fmt.Errorf("read %s: %w", l.from, err))
		}
	}
}
