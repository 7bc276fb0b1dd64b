package workflows

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// This file is the only one that knows the YAML library, so that a successor
// is one change.

// A node is a value of a YAML document with its position.
type node = yaml.Node

// The kinds of node.
const (
	mapNode    = yaml.MappingNode
	listNode   = yaml.SequenceNode
	scalarNode = yaml.ScalarNode
	aliasNode  = yaml.AliasNode
)

// The short tags that plain scalars resolve to.
const (
	tagText  = "!!str"
	tagInt   = "!!int"
	tagFloat = "!!float"
	tagBool  = "!!bool"
	tagNull  = "!!null"
	tagTime  = "!!timestamp"
	tagMerge = "!!merge"
)

func isBlockScalar(n *node) bool { return n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 }

func isQuoted(n *node) bool { return n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 }

// A chunk is the text of one document and the number of lines before it.
type chunk struct {
	text string
	line int
}

// isDocumentMark tells whether a line ends a document; YAML allows none inside
// of one, not even in a block scalar.
func isDocumentMark(line string) bool {
	return (strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...")) && (len(line) == 3 || line[3] == ' ' || line[3] == '\t')
}

// chunks cuts a stream into its documents, so that one with a syntax error
// does not hide the others. Comments between documents belong to the next one.
func chunks(text string) []chunk {
	var out []chunk
	b := []byte(text)
	start, startLine := 0, 0
	mark := -1       // the last mark since start
	content := false // since start there was more than comments and directives
	push := func(end int) {
		if mark >= 0 && b[mark] == '.' {
			copy(b[mark:], "   ")
		}
		out = append(out, chunk{string(b[start:end]), startLine})
		content, mark = false, -1
	}
	line := 0
	for i := 0; i < len(text); line++ {
		next := len(text)
		if end := strings.IndexByte(text[i:], '\n'); end >= 0 {
			next = i + end + 1
		}
		s := strings.TrimRight(text[i:next], "\r\n")
		switch t := strings.TrimSpace(s); {
		case isDocumentMark(s):
			if content {
				push(i)
				start, startLine = i, line
			}
			if mark >= 0 {
				copy(b[mark:], "   ") // there was nothing but comments since
			}
			mark = i
			// What follows the mark on its line belongs to the next document.
			rest := strings.TrimSpace(s[3:])
			content = s[0] == '-' && rest != "" && rest[0] != '#'
		case t != "" && t[0] != '#' && s[0] != '%':
			content = true
			if mark >= 0 && b[mark] == '.' {
				copy(b[mark:], "   ")
				mark = -1
			}
		}
		i = next
	}
	if content || strings.Contains(string(b[start:]), "#") {
		push(len(b))
	}
	return out
}

// syntaxError is what the library says about a text that is not YAML.
type syntaxError struct {
	line    int // in the chunk, from 1; 0 when it is not known
	message string
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)

// parseYAML reads one document. It returns nil for one without content.
func parseYAML(text string) (root *node, bad *syntaxError) {
	defer func() {
		if r := recover(); r != nil {
			root, bad = nil, &syntaxError{message: "the document can't be read as YAML"}
		}
	}()
	var doc node
	d := yaml.NewDecoder(strings.NewReader(jsonEscapes(text)))
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		bad = &syntaxError{message: strings.TrimPrefix(err.Error(), "yaml: ")}
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			bad.line, _ = strconv.Atoi(m[1])
			bad.message = err.Error()[len(m[0]):]
		}
		return nil, bad
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return doc.Content[0], nil
}

var surrogates = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)

// jsonEscapes replaces the one thing of JSON that YAML does not have:
// characters that are escaped as a pair of surrogates (RFC 8259 section 7).
func jsonEscapes(text string) string {
	if t := strings.TrimSpace(text); !strings.HasPrefix(t, "{") && !strings.HasPrefix(t, "[") || !strings.Contains(text, `\u`) {
		return text
	}
	return surrogates.ReplaceAllStringFunc(text, func(s string) string {
		high, _ := strconv.ParseUint(s[2:6], 16, 32)
		low, _ := strconv.ParseUint(s[8:12], 16, 32)
		return string(rune(0x10000 + (high-0xd800)<<10 + (low - 0xdc00)))
	})
}

// renderYAML writes a document with two spaces of indentation.
func renderYAML(doc *node) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(doc); err != nil {
		return nil, err
	}
	if err := e.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// scalarValue is the JSON value of a scalar.
func scalarValue(n *node) (any, error) {
	switch n.Tag {
	case tagText, tagTime:
		return n.Value, nil
	case tagNull:
		return nil, nil
	case tagBool:
		var b bool
		if err := n.Decode(&b); err != nil {
			return nil, fmt.Errorf("%q is not true or false", n.Value)
		}
		return b, nil
	case tagInt:
		if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil && !leadingZero(n.Value) {
			return int(i), nil
		}
		if leadingZero(n.Value) {
			return nil, fmt.Errorf("%s has a zero in front: write it in quotes, or without the zero", n.Value)
		}
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, fmt.Errorf("%q is not a number", n.Value)
		}
		switch v := v.(type) {
		case int:
			return v, nil
		case int64:
			return int(v), nil
		case uint64:
			return float64(v), nil
		case float64:
			return v, nil
		}
	case tagFloat:
		var f float64
		if err := n.Decode(&f); err != nil {
			return nil, fmt.Errorf("%q is not a number", n.Value)
		}
		if _, err := finite(f); err != nil {
			return nil, fmt.Errorf("%s is not a number that JSON has", n.Value)
		}
		return f, nil
	}
	return nil, fmt.Errorf("the tag %s is not supported", n.Tag)
}

// leadingZero tells whether a number could be meant as decimal and is read as
// octal.
func leadingZero(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return len(s) > 1 && s[0] == '0' && s[1] >= '0' && s[1] <= '9'
}

// sourceLines cuts a source into lines without their ends.
func sourceLines(text string) []string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return lines
}

// validText checks what a source must be before it is looked at.
func validText(data []byte) (string, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return "", errors.New("the file is not UTF-8 text")
	}
	return string(data), nil
}

// parseDocument reads a document with the comments at its beginning and end.
func parseDocument(text string) (doc *node, ok bool) {
	defer func() {
		if recover() != nil {
			doc, ok = nil, false
		}
	}()
	doc = &node{}
	if err := yaml.Unmarshal([]byte(jsonEscapes(text)), doc); err != nil || len(doc.Content) == 0 {
		return nil, false
	}
	if t := strings.TrimSpace(text); strings.HasPrefix(t, "{") || strings.HasPrefix(t, "[") {
		blockStyle(doc)
	}
	return doc, true
}

// blockStyle writes what was JSON as YAML.
func blockStyle(n *node) {
	n.Style &^= yaml.FlowStyle
	if n.Kind == scalarNode && n.Tag == tagText {
		n.Style &^= yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}
