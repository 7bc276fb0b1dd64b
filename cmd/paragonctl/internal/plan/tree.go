package plan

import (
	"encoding/json"
	"strconv"
	"strings"

	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
	"paragon/workflows"
)

// A branch is a place in a resource under which something changes: a field, or
// an element of a list.
type branch struct {
	label    string
	branches []*branch
	change   *api.FieldChange
}

// changeTree gathers the changes of one resource by where they are, in the order
// in which they come.
func changeTree(changes []api.FieldChange) *branch {
	root := &branch{}
	for i := range changes {
		at := root
		for _, label := range pathLabels(changes[i].Field) {
			at = at.under(label)
		}
		at.change = &changes[i]
	}
	return root
}

func (b *branch) under(label string) *branch {
	for _, x := range b.branches {
		if x.label == label && x.change == nil {
			return x
		}
	}
	x := &branch{label: label}
	b.branches = append(b.branches, x)
	return x
}

// pathLabels cuts a path such as spec.steps[lookup].request.headers["a.b"] into
// what the levels of the tree are called. An element of a list is called by its
// id; one without keeps its brackets.
func pathLabels(path string) []string {
	var labels []string
	path, ordered := strings.CutSuffix(path, " (order)")
	for path != "" {
		if path[0] == '.' {
			path = path[1:]
		}
		if !strings.HasPrefix(path, "[") {
			end := strings.IndexAny(path, ".[")
			if end <= 0 {
				end = len(path)
			}
			labels, path = append(labels, path[:end]), path[end:]
			continue
		}
		if quoted, err := strconv.QuotedPrefix(path[1:]); err == nil {
			name, _ := strconv.Unquote(quoted) // a quoted prefix can be unquoted
			labels, path = append(labels, name), strings.TrimPrefix(path[1+len(quoted):], "]")
			continue
		}
		end := strings.IndexByte(path, ']')
		if end < 0 {
			return append(labels, path)
		}
		label := path[1:end]
		if _, err := strconv.Atoi(label); err == nil {
			label = path[:end+1]
		}
		labels, path = append(labels, label), path[end+1:]
	}
	if ordered {
		labels = append(labels, orderLabel)
	}
	return labels
}

// write writes the tree, two spaces a level: what goes with "-" in front, what
// comes with "+".
func (b *branch) write(out *strings.Builder, style terminal.Style, indent string) {
	for _, x := range b.branches {
		if x.change == nil {
			out.WriteString(indent + terminal.Safe(x.label) + "\n")
			x.write(out, style, indent+"  ")
			continue
		}
		for _, line := range valueLines(x.label, x.change.Before) {
			out.WriteString(indent + style.Notice("- "+line) + "\n")
		}
		for _, line := range valueLines(x.label, x.change.After) {
			out.WriteString(indent + style.Good("+ "+line) + "\n")
		}
	}
}

// orderLabel is what the order of a list is called, beside its elements.
const orderLabel = "(order)"

// valueLines is a field with its value as YAML; none for a field that is not set.
func valueLines(label string, value json.RawMessage) []string {
	if value == nil {
		return nil
	}
	if ids := []string(nil); label == orderLabel && json.Unmarshal(value, &ids) == nil {
		return []string{terminal.Safe(label + ": " + strings.Join(ids, ", "))}
	}
	text, err := workflows.MarshalYAML(map[string]json.RawMessage{label: value})
	if err != nil {
		return []string{terminal.Safe(label + ": " + string(value))}
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines {
		lines[i] = terminal.Safe(line)
	}
	return lines
}
