package workflows

import (
	"bytes"
	"fmt"
	"strings"

	"paragon/schema"
)

// blankMark stands for an empty line while a document is in the hands of the
// YAML library, which keeps comments and drops empty lines.
const blankMark = "#\u00a0paragon-blank-line\u00a0#"

// Format writes YAML documents in the one layout: two spaces of indentation,
// one space around colons and behind dashes, at most one empty line in a row,
// "---" between documents. It keeps comments, the order of keys, the style of
// quotes and of blocks, and what the documents mean. Formatting twice is the
// same as formatting once.
//
// Its error is of type Diagnostics and points at what is not YAML. A source
// that begins with a brace is JSON and becomes YAML.
func Format(src []byte) ([]byte, error) {
	text, err := validText(src)
	if err != nil {
		return nil, Diagnostics{{Severity: schema.SeverityError, Code: "yaml", Message: err.Error()}}
	}
	if len(text) > maxSource {
		return nil, Diagnostics{{Severity: schema.SeverityError, Code: "too-large", Message: fmt.Sprintf("the file is larger than %d MiB", maxSource>>20)}}
	}
	lines := sourceLines(text)
	text = strings.Join(lines, "\n")
	var out []string
	for _, chunk := range chunks(text) {
		formatted, bad := formatDocument(chunk.text)
		if bad != nil {
			x := schema.Diagnostic{Severity: schema.SeverityError, Code: "yaml", Message: "this is not YAML: " + bad.message}
			d := Document{lines: lines, hidden: secretKind.MatchString(chunk.text)}
			line := chunk.line + max(1, bad.line)
			d.at(&x, line, firstColumn(lines, line))
			return nil, Diagnostics{x}
		}
		if formatted != "" {
			out = append(out, formatted)
		}
	}
	if len(out) == 0 {
		return src, nil // nothing but comments
	}
	return []byte(strings.Join(out, "---\n")), nil
}

// formatDocument formats one document until that changes nothing more. The
// library moves some comments at the first time, and does not come to rest
// with empty lines in a few rare places: then they go.
func formatDocument(text string) (string, *syntaxError) {
	root, bad := parseYAML(text)
	if bad != nil {
		return "", bad
	}
	if root == nil {
		return onlyComments(text), nil
	}
	want := meaning(root)
	text = strings.TrimSuffix(strings.TrimPrefix(text, "---\n"), "...\n")
	for _, keepBlank := range []bool{true, false} {
		current := text
		for range 6 {
			next, ok := formatOnce(current, keepBlank)
			if !ok {
				break
			}
			if again, _ := parseYAML(next); again == nil || meaning(again) != want {
				break
			}
			if next == current {
				return next, nil
			}
			current = next
		}
	}
	// The library can't write this document so that it reads the same. It is
	// left alone.
	return strings.TrimRight(text, "\n") + "\n", nil
}

// onlyComments are the comments of a text that has nothing else.
func onlyComments(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, "#") {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}

// formatOnce writes a document as the library does, with its empty lines kept
// as comments meanwhile.
func formatOnce(text string, keepBlank bool) (string, bool) {
	if keepBlank {
		text = markBlankLines(text)
	}
	doc, ok := parseDocument(text)
	if !ok {
		return "", false
	}
	out, err := renderYAML(doc)
	if err != nil {
		return "", false
	}
	return unmarkBlankLines(string(out)), true
}

// markBlankLines replaces the empty lines between values by comments, one for
// any number of them. Those inside of texts stay.
func markBlankLines(text string) string {
	root, bad := parseYAML(text)
	if bad != nil || root == nil {
		return text
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	inside := make([]bool, len(lines)+1)
	markTexts(root, lines, inside)
	var b strings.Builder
	blank := false
	for i, l := range lines {
		if strings.TrimSpace(l) == "" && !inside[i] {
			blank = true
			continue
		}
		if blank && b.Len() > 0 && !inside[i] {
			b.WriteString(l[:len(l)-len(strings.TrimLeft(l, " "))])
			b.WriteString(blankMark + "\n")
		}
		blank = false
		b.WriteString(l + "\n")
	}
	return b.String()
}

// markTexts finds the lines that belong to texts of several lines.
func markTexts(n *node, lines []string, inside []bool) {
	if n.Kind == scalarNode {
		first := n.Line // the line after the one that it begins on, from 0
		switch {
		case isBlockScalar(n):
			// To the next line that is not indented more than its parent.
			for i := first; i < len(lines); i++ {
				if s := strings.TrimSpace(lines[i]); s != "" && indentOf(lines[i]) < blockIndent(lines, first) {
					break
				}
				inside[i] = true
			}
			for i := len(lines) - 1; i >= first; i-- {
				if inside[i] && strings.TrimSpace(lines[i]) == "" && (i+1 >= len(lines) || !inside[i+1]) && !keepsEnd(lines[first-1]) {
					inside[i] = false // empty lines behind a block that drops them
				} else if inside[i] {
					break
				}
			}
		case isQuoted(n) || strings.Contains(n.Value, "\n"):
			for i := first; i < len(lines) && i < first+strings.Count(n.Value, "\n")*2+foldedLines(n, lines, first); i++ {
				inside[i] = true
			}
		}
		return
	}
	for _, c := range n.Content {
		markTexts(c, lines, inside)
	}
}

// blockIndent is the indentation of the first line of a block's text.
func blockIndent(lines []string, first int) int {
	for i := first; i < len(lines); i++ {
		if strings.TrimSpace(lines[i]) != "" {
			return max(1, indentOf(lines[i]))
		}
	}
	return 1
}

// keepsEnd tells whether the head of a block keeps the empty lines at its end.
func keepsEnd(head string) bool {
	head, _, _ = strings.Cut(head, " #")
	head = strings.TrimRight(head, " 0123456789")
	return strings.HasSuffix(head, "+")
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// foldedLines counts the lines after its first that a quoted text runs over.
func foldedLines(n *node, lines []string, first int) int {
	if !isQuoted(n) || first < 1 || first > len(lines) {
		return 0
	}
	r := []rune(lines[first-1])
	if n.Column > len(r) {
		return 0
	}
	quote, rest := r[n.Column-1], string(r[n.Column:])
	for count := 0; ; count++ {
		if closes(rest, quote) {
			return count
		}
		if first+count >= len(lines) {
			return count
		}
		rest = lines[first+count]
	}
}

// closes tells whether a quoted text ends on a line.
func closes(line string, quote rune) bool {
	r := []rune(line)
	for i := 0; i < len(r); i++ {
		switch {
		case quote == '"' && r[i] == '\\':
			i++
		case r[i] == quote && quote == '\'' && i+1 < len(r) && r[i+1] == quote:
			i++
		case r[i] == quote:
			return true
		}
	}
	return false
}

// unmarkBlankLines makes the marks empty lines again.
func unmarkBlankLines(text string) string {
	var b bytes.Buffer
	blank := true // none at the beginning
	for l := range strings.Lines(text) {
		if strings.TrimSpace(l) == blankMark {
			if !blank {
				b.WriteByte('\n')
			}
			blank = true
			continue
		}
		// A mark may stand behind a value as its comment.
		if s, ok := strings.CutSuffix(strings.TrimRight(l, "\n"), " "+blankMark); ok {
			l = s + "\n\n"
			b.WriteString(l)
			blank = true
			continue
		}
		blank = false
		b.WriteString(l)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// meaning is a text that is the same for documents that mean the same.
func meaning(root *node) string {
	d := &decoder{doc: &Document{}}
	v := d.free(root, rootPath, 0)
	text, err := canonicalJSON(v)
	if err != nil || len(d.diags) > 0 {
		// What the language refuses is compared by what it is refused for.
		for _, x := range d.diags {
			text = append(text, x.Code+x.Field+x.Message...)
		}
	}
	return string(text)
}
