package workflows

import (
	"strconv"
	"strings"
)

// path is a place inside a document, built link by link on the way down so
// that only the places that are reported cost a string.
type path struct {
	up    *path
	name  string
	index int // of a list element; -1 for a field
	// element names a list element by its id instead of its index.
	element string
}

// specPath is the root of the paths of a spec.
var specPath = &path{name: "spec", index: -1}

// rootPath is the document itself.
var rootPath *path

func (p *path) field(name string) *path { return &path{up: p, name: name, index: -1} }

func (p *path) item(i int) *path { return &path{up: p, index: i} }

// String is the path as diagnostics write it: "spec.steps[2].request.url".
func (p *path) String() string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	p.write(&b)
	return b.String()
}

func (p *path) write(b *strings.Builder) {
	if p.up != nil {
		p.up.write(b)
	}
	switch {
	case p.element != "":
		b.WriteByte('[')
		b.WriteString(p.element)
		b.WriteByte(']')
	case p.index >= 0:
		b.WriteByte('[')
		b.WriteString(strconv.Itoa(p.index))
		b.WriteByte(']')
	case plainName(p.name):
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(p.name)
	default:
		b.WriteByte('[')
		b.WriteString(strconv.Quote(p.name))
		b.WriteByte(']')
	}
}

// plainName tells whether a field name needs no quotes in a path.
func plainName(s string) bool {
	return s != "" && !strings.ContainsAny(s, ".[]\" \t\n")
}
