package output

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"text/template"

	"github.com/itchyny/gojq"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/workflows"
)

// View is one answer in all its forms.
type View struct {
	// Value is the answer; its JSON form is what programs get. Of a list it is
	// {"items": […]}.
	Value any
	// Items are the entries of a list for jsonl; nil means that Value is the
	// one entry.
	Items []any
	// Names are the entries for -o name.
	Names []string
	// Table is the form for people, of a list.
	Table *Grid
	// Text is the form for people where there is no Table.
	Text func(w io.Writer, style terminal.Style) error
	// Empty is said to a person instead of a table without rows.
	Empty string
}

// ListOf is the view of a list, without its form for people.
func ListOf[T any](items []T, name func(T) string) View {
	v := View{Items: make([]any, 0, len(items))}
	for _, item := range items {
		v.Items = append(v.Items, item)
		v.Names = append(v.Names, name(item))
	}
	v.Value = map[string]any{"items": v.Items}
	return v
}

// Print writes the view in the form that the flags ask for.
func (f *Flags) Print(ctx context.Context, s *terminal.Streams, v View) error {
	switch {
	case f.jq != nil:
		return f.printJQ(ctx, s, v)
	case f.tmpl != nil:
		return f.printTemplate(s, v)
	}
	switch f.Format {
	case JSON:
		return writeJSON(s.Out, v.Value, true)
	case JSONL:
		items := v.Items
		if items == nil {
			items = []any{v.Value}
		}
		for _, item := range items {
			if err := writeJSON(s.Out, item, false); err != nil {
				return err
			}
		}
		return nil
	case YAML:
		text, err := workflows.MarshalYAML(v.Value)
		if err != nil {
			return fmt.Errorf("write YAML: %w", err)
		}
		_, err = s.Out.Write(text)
		return err
	case Name:
		for _, name := range v.Names {
			if _, err := fmt.Fprintln(s.Out, terminal.Safe(name)); err != nil {
				return err
			}
		}
		return nil
	}
	style := s.OutStyle()
	if v.Table == nil {
		return v.Text(s.Out, style)
	}
	if len(v.Table.Rows) == 0 && v.Empty != "" {
		fmt.Fprintln(s.Err, v.Empty)
		return nil
	}
	width := 0
	if s.OutTTY {
		width, _ = s.Size()
	}
	return v.Table.write(s.Out, style, f.Format == Wide, width)
}

// WriteJSON writes a value as indented JSON.
func WriteJSON(w io.Writer, v any) error { return writeJSON(w, v, true) }

func writeJSON(w io.Writer, v any, indent bool) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if indent {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err := w.Write(terminal.SafeJSON(buf.Bytes()))
	return err
}

// plain turns a value into what its JSON decodes to.
func plain(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return exact(out), nil
}

// exact makes whole numbers ints, however long, so that an id of 18 digits is
// what it was.
func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
		if n, ok := new(big.Int).SetString(v.String(), 10); ok {
			return n
		}
		f, _ := v.Float64() // out of range is infinite, as jq has it
		return f
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exact(v[k])
		}
	}
	return v
}

func (f *Flags) printJQ(ctx context.Context, s *terminal.Streams, v View) error {
	value, err := plain(v.Value)
	if err != nil {
		return err
	}
	results := f.jq.RunWithContext(ctx, value)
	for {
		result, ok := results.Next()
		if !ok {
			return nil
		}
		if err, bad := result.(error); bad {
			var halt *gojq.HaltError
			if errors.As(err, &halt) && halt.Value() == nil {
				return nil
			}
			return command.Usage("--jq: %s; %s", err, fields(value))
		}
		// As jq -r: a string is printed as it is, since that is what scripts
		// want of it.
		if text, ok := result.(string); ok {
			err = writeRaw(s, text+"\n")
		} else {
			err = writeJSON(s.Out, result, s.OutTTY)
		}
		if err != nil {
			return err
		}
	}
}

func (f *Flags) printTemplate(s *terminal.Streams, v View) error {
	value, err := plain(v.Value)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := f.tmpl.Execute(&buf, value); err != nil {
		var exec template.ExecError
		if errors.As(err, &exec) {
			err = exec.Err
		}
		return command.Usage("--template: %s; %s", strings.TrimPrefix(err.Error(), "template: "), fields(value))
	}
	return writeRaw(s, buf.String())
}

// writeRaw writes text exactly into a pipe; a terminal doesn't get to obey it.
func writeRaw(s *terminal.Streams, text string) error {
	if s.OutTTY {
		text = terminal.SafeLines(text)
	}
	_, err := io.WriteString(s.Out, text)
	return err
}

// fields says which fields the value has, for a message about a wrong one.
func fields(value any) string {
	names := func(v any) string {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		keys := make([]string, 0, len(m))
		for k := range m {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		return strings.Join(keys, ", ")
	}
	text := "the fields are " + names(value)
	if m, ok := value.(map[string]any); ok {
		if items, ok := m["items"].([]any); ok && len(items) > 0 {
			text += "; those of an item are " + names(items[0])
		}
	}
	return text
}

// functions are what templates may call beyond the built-in ones.
var functions = template.FuncMap{
	"json": func(v any) (string, error) {
		text, err := json.Marshal(v)
		return string(text), err
	},
	"join": func(sep string, items []any) string {
		parts := make([]string, len(items))
		for i, item := range items {
			parts[i] = fmt.Sprint(item)
		}
		return strings.Join(parts, sep)
	},
	"upper": strings.ToUpper,
	"lower": strings.ToLower,
}
