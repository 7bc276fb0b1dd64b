package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Explanation describes a place in the documents of a kind: what `explain`
// prints.
type Explanation struct {
	// Path is the place as it was asked for ("workflow.spec.steps.retry").
	Path string `json:"path"`
	// Type is its type in a few words ("list of objects").
	Type string `json:"type"`
	// Doc says what it is for, TypeDoc what an object of its type is.
	Doc     string `json:"doc,omitempty"`
	TypeDoc string `json:"typeDoc,omitempty"`
	// Required says that it can't be left out.
	Required bool `json:"required,omitempty"`
	// Values are those that it may have, when they are few.
	Values []string `json:"values,omitempty"`
	// Fields are the keys of an object, in the order of the reference.
	Fields []ExplainedField `json:"fields,omitempty"`
}

// ExplainedField is one key of an object.
type ExplainedField struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Doc      string   `json:"doc,omitempty"`
	Required bool     `json:"required,omitempty"`
	Values   []string `json:"values,omitempty"`
}

// Explain describes a place in the documents of a kind. The path begins with
// the kind, in any form ("workflow", "Workflow", "workflows"); the elements of
// lists and maps have no place of their own: what follows is a key of one of
// them. The error of a key that does not exist lists those that do.
func Explain(path string) (*Explanation, error) {
	names := strings.Split(strings.Trim(path, "."), ".")
	var root *schemaNode
	for _, k := range DocumentKinds {
		if n := strings.ToLower(names[0]); n == k.Singular() || n == k.Path() {
			data, ok := JSONSchema(k)
			if !ok {
				return nil, fmt.Errorf("there is no schema of %s", k)
			}
			root = &schemaNode{}
			if err := json.Unmarshal(data, root); err != nil {
				return nil, fmt.Errorf("the schema of %s can't be read: %w", k, err)
			}
		}
	}
	if root == nil {
		var kinds []string
		for _, k := range DocumentKinds {
			kinds = append(kinds, k.Singular())
		}
		return nil, fmt.Errorf("%q is not a kind: begin with %s", names[0], strings.Join(kinds, " or "))
	}
	title := strings.TrimPrefix(root.Title, "Paragon ")
	article := "A "
	if strings.ContainsRune("AEIOU", rune(title[0])) {
		article = "An "
	}
	out := &Explanation{Path: path, Doc: article + title + " document."}
	node, own := root, root
	for i, name := range names[1:] {
		object := root.element(node)
		own = object.property(name)
		if own == nil {
			at := strings.Join(names[:i+1], ".")
			if len(object.Properties) == 0 {
				return nil, fmt.Errorf("%s has no keys: it is %s", at, root.typeText(node))
			}
			return nil, fmt.Errorf("%s has no key %q: it has %s", at, name, strings.Join(object.keys(), ", "))
		}
		out.Required = object.requires(name)
		out.Doc = own.Description
		node = own
	}
	out.Type, out.Values = root.typeText(node), own.Enum
	object := root.element(node)
	if object != own {
		out.TypeDoc = object.Description
	}
	for _, p := range object.Properties {
		out.Fields = append(out.Fields, ExplainedField{
			Name: p.name, Type: root.typeText(p.schema), Doc: root.doc(p.schema),
			Required: object.requires(p.name), Values: p.schema.Enum,
		})
	}
	return out, nil
}

// A schemaNode is what Explain reads of a JSON Schema.
type schemaNode struct {
	Title                string        `json:"title"`
	Description          string        `json:"description"`
	Ref                  string        `json:"$ref"`
	Type                 any           `json:"type"`
	Const                string        `json:"const"`
	Pattern              string        `json:"pattern"`
	Enum                 []string      `json:"enum"`
	Required             []string      `json:"required"`
	AllOf                []*schemaNode `json:"allOf"`
	AnyOf                []*schemaNode `json:"anyOf"`
	Items                *schemaNode   `json:"items"`
	Properties           properties    `json:"properties"`
	AdditionalProperties extra         `json:"additionalProperties"`
	Definitions          map[string]*schemaNode
}

// extra is additionalProperties: false, or a schema.
type extra struct{ schema *schemaNode }

// UnmarshalJSON implements json.Unmarshaler.
func (e *extra) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		return nil
	}
	e.schema = &schemaNode{}
	return json.Unmarshal(data, e.schema)
}

// properties keep the order of the file.
type properties []property

type property struct {
	name   string
	schema *schemaNode
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *properties) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := key.(string)
		if !ok {
			return fmt.Errorf("a key is not text")
		}
		schema := &schemaNode{}
		if err := d.Decode(schema); err != nil {
			return err
		}
		*p = append(*p, property{name, schema})
	}
	return nil
}

func (n *schemaNode) property(name string) *schemaNode {
	for _, p := range n.Properties {
		if p.name == name {
			return p.schema
		}
	}
	return nil
}

func (n *schemaNode) keys() []string {
	keys := make([]string, len(n.Properties))
	for i, p := range n.Properties {
		keys[i] = p.name
	}
	return keys
}

func (n *schemaNode) requires(name string) bool {
	for _, r := range n.Required {
		if r == name {
			return true
		}
	}
	return false
}

// resolve follows references. n is the root.
func (n *schemaNode) resolve(at *schemaNode) *schemaNode {
	for {
		switch {
		case at.Ref != "":
			target := n.Definitions[strings.TrimPrefix(at.Ref, "#/definitions/")]
			if target == nil {
				return at
			}
			at = target
		case len(at.AllOf) == 1:
			at = at.AllOf[0]
		default:
			return at
		}
	}
}

// element is the object that the keys below a place belong to: through
// references, lists and maps.
func (n *schemaNode) element(at *schemaNode) *schemaNode {
	for {
		at = n.resolve(at)
		switch {
		case at.Items != nil:
			at = at.Items
		case at.AdditionalProperties.schema != nil:
			at = at.AdditionalProperties.schema
		case len(at.AnyOf) > 0: // a plain value, or an object in its place
			at = at.AnyOf[len(at.AnyOf)-1]
		default:
			return at
		}
	}
}

// doc is the text about a place: its own, or that of its type.
func (n *schemaNode) doc(at *schemaNode) string {
	if at.Description != "" {
		return at.Description
	}
	return n.resolve(at).Description
}

// typeText is a type in a few words.
func (n *schemaNode) typeText(at *schemaNode) string {
	at = n.resolve(at)
	switch {
	case at.Const != "":
		return fmt.Sprintf("%q", at.Const)
	case at.Items != nil:
		return "list of " + plural(n.typeText(at.Items))
	case at.AdditionalProperties.schema != nil:
		return "map of " + plural(n.typeText(at.AdditionalProperties.schema))
	case at.Type == "string" && strings.HasPrefix(at.Pattern, "^([0-9]+d)?"):
		return "duration"
	case len(at.AnyOf) > 0:
		words := make([]string, len(at.AnyOf))
		for i, one := range at.AnyOf {
			words[i] = n.typeText(one)
		}
		return strings.Join(words, " or ")
	}
	switch t := at.Type.(type) {
	case string:
		return t
	case []any:
		words := make([]string, 0, len(t))
		for _, w := range t {
			if w != "null" {
				words = append(words, fmt.Sprint(w))
			}
		}
		return strings.Join(words, " or ")
	}
	return "any"
}

func plural(t string) string {
	switch t {
	case "string", "object", "integer", "number", "boolean", "duration":
		return t + "s"
	case "any":
		return "any values"
	}
	return t
}
