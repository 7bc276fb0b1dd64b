package workflows

import (
	"fmt"

	"paragon/schema"
)

// A Place is where a value stands in a document: for findings about it that
// only running shows.
type Place struct {
	doc  *Document
	path *path
}

// Field is the place of a key of an object, Item that of an element of a list.
func (p Place) Field(name string) Place { return Place{p.doc, p.path.field(name)} }

// Item is the place of an element of a list.
func (p Place) Item(i int) Place { return Place{p.doc, p.path.item(i)} }

// There tells whether the document has the value, also when it is null.
func (p Place) There() bool { return p.doc != nil && p.doc.find(p.path) != nil }

// Finding makes an error at the place, or at the nearest value around it that is
// there.
func (p Place) Finding(code, suggestion, format string, args ...any) schema.Diagnostic {
	x := schema.Diagnostic{Severity: schema.SeverityError, Code: code, Message: fmt.Sprintf(format, args...), Suggestion: suggestion, Field: p.path.String()}
	if p.doc != nil {
		p.doc.place(&x, p.path, -1)
		x.Resource = schema.Ref{Kind: p.doc.Resource.Kind, Name: p.doc.Resource.Metadata.Name}.String()
	}
	return x
}
