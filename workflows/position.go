package workflows

import (
	"strconv"
	"unicode"

	"paragon/schema"
)

// line is the line of a node in the whole source.
func (d *Document) line(n *node) int { return n.Line + d.before }

// at sets the place of a diagnostic.
func (d *Document) at(x *schema.Diagnostic, line, column int) {
	x.File, x.Line, x.Column = d.File, line, column
	if line >= 1 && line <= len(d.lines) && !d.hidden {
		x.Source = d.lines[line-1]
		if len(x.Source) > 400 {
			x.Source, x.Column = cutAround(x.Source, column)
		}
	}
}

// cutAround shortens a line to the part around a column. It returns the part;
// the column stays that of the line, because it is where an editor goes, unless
// the part begins later: then there is no caret, so that it is not in a wrong
// place.
func cutAround(line string, column int) (string, int) {
	r := []rune(line)
	if column <= 200 {
		return string(r[:min(len(r), 300)]) + "…", column
	}
	return "", column
}

// placeNode sets the place of a diagnostic to a node, or with an offset that is
// not negative to a character inside of its text.
func (d *Document) placeNode(x *schema.Diagnostic, n *node, offset int) {
	line, column := d.line(n), n.Column
	if offset >= 0 {
		line, column = d.inside(n, offset)
	}
	d.at(x, line, column)
}

// place sets the place of a diagnostic to the value of a field, or to the
// nearest value around it that is there.
func (d *Document) place(x *schema.Diagnostic, p *path, offset int) {
	for q := p; q != nil; q = q.up {
		if n := d.find(q); n != nil {
			if q != p {
				offset = -1
			}
			d.placeNode(x, n, offset)
			return
		}
	}
	if d.root != nil {
		d.placeNode(x, d.root, -1)
		return
	}
	x.File = d.File
}

// position is the place of a field as text, empty when it is not in the source.
func (d *Document) position(p *path) string {
	n := d.find(p)
	if n == nil {
		return ""
	}
	file := d.File
	if file == "" {
		file = "input"
	}
	b := make([]byte, 0, len(file)+12)
	b = append(b, file...)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(d.line(n)), 10)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(n.Column), 10)
	return string(b)
}

// find is the node of a path, nil when there is none.
func (d *Document) find(p *path) *node {
	if p == nil {
		return d.root
	}
	n := d.find(p.up)
	if n == nil {
		return nil
	}
	return child(n, p, 0)
}

func child(n *node, p *path, depth int) *node {
	if n.Kind == aliasNode {
		n = n.Alias
	}
	switch {
	case p.index >= 0:
		if n.Kind == listNode && p.index < len(n.Content) {
			return n.Content[p.index]
		}
	case n.Kind == mapNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == p.name && n.Content[i].Tag != tagMerge {
				return n.Content[i+1]
			}
		}
		if depth < 20 {
			return mergedChild(n, p, depth)
		}
	}
	return nil
}

// mergedChild looks for a key in what is merged into a mapping.
func mergedChild(n *node, p *path, depth int) *node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag != tagMerge {
			continue
		}
		m := n.Content[i+1]
		if m.Kind == aliasNode {
			m = m.Alias
		}
		if m.Kind == mapNode {
			if found := child(m, p, depth+1); found != nil {
				return found
			}
			continue
		}
		for _, e := range m.Content {
			if found := child(e, p, depth+1); found != nil {
				return found
			}
		}
	}
	return nil
}

// inside is the place of a character of a scalar's text in the source. It
// walks the text and the source side by side and lets the source be ahead by
// indentation, line breaks and the backslashes of escapes.
func (d *Document) inside(n *node, offset int) (line, column int) {
	if n.Kind == aliasNode {
		n = n.Alias
	}
	line, column = d.line(n), n.Column
	switch {
	case isBlockScalar(n):
		line, column = line+1, 1
	case isQuoted(n):
		column++
	}
	startLine, startColumn := line, column
	if line > len(d.lines) {
		return startLine, startColumn
	}
	source := []rune(d.lines[line-1])
	advance := func() bool {
		if column-1 < len(source) {
			column++
			return true
		}
		if line >= len(d.lines) {
			return false
		}
		line++
		column, source = 1, []rune(d.lines[line-1])
		return true
	}
	text := []rune(n.Value)
	for i := 0; i <= offset && i < len(text); {
		atEnd := column-1 >= len(source)
		switch {
		case !atEnd && source[column-1] == text[i]:
			if i == offset {
				return line, column
			}
			i++
			advance()
		case unicode.IsSpace(text[i]):
			// A line break or folded space: the source catches up by itself.
			if i == offset {
				return line, column
			}
			i++
		case atEnd || unicode.IsSpace(source[column-1]) || source[column-1] == '\\' || source[column-1] == '\'':
			if !advance() {
				return startLine, startColumn
			}
		default:
			return startLine, startColumn
		}
	}
	return line, column
}
