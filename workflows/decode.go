package workflows

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"paragon/schema"
)

const (
	// maxDocument bounds one document in bytes, maxSource one source.
	maxDocument = 1 << 20
	maxSource   = 32 << 20
	// maxDepth bounds how deep a document is nested.
	maxDepth = 100
	// maxDocNodes bounds the values of a document after its aliases are
	// followed.
	maxDocNodes = 200_000
)

// A decoder reads the nodes of one document strictly into Go structs, and
// beside them builds the same document as plain JSON values.
type decoder struct {
	doc   *Document
	diags Diagnostics
	nodes int
	// full says that a limit was hit and reported: nothing more is read.
	full bool
	// aliases being followed, to see an alias inside of itself.
	aliases []*node
}

func (d *decoder) fail(n *node, p *path, code, suggestion, format string, args ...any) {
	x := schema.Diagnostic{
		Severity: schema.SeverityError, Code: code, Message: fmt.Sprintf(format, args...),
		Suggestion: suggestion, Field: p.String(),
	}
	d.doc.placeNode(&x, n, -1)
	d.diags = append(d.diags, x)
}

// enter counts a node and follows an alias. It returns nil when the document
// is beyond a limit.
func (d *decoder) enter(n *node, p *path, depth int) *node {
	if d.full {
		return nil
	}
	d.nodes++
	if d.nodes > maxDocNodes {
		d.full = true
		d.fail(n, p, "too-large", "", "the document has more than %d values once its aliases are followed", maxDocNodes)
		return nil
	}
	if depth > maxDepth {
		d.full = true
		d.fail(n, p, "too-deep", "", "the document is nested deeper than %d levels", maxDepth)
		return nil
	}
	if n.Kind != aliasNode {
		return n
	}
	if slices.Contains(d.aliases, n.Alias) || len(d.aliases) > maxDepth {
		d.full = true
		d.fail(n, p, "alias", "", "the alias *%s is inside of what it stands for", n.Value)
		return nil
	}
	return n.Alias
}

// follow runs f for a node, with the alias that led to it kept in mind.
func (d *decoder) follow(n *node, p *path, depth int, f func(n *node) any) any {
	target := d.enter(n, p, depth)
	if target == nil {
		return nil
	}
	if target != n {
		d.aliases = append(d.aliases, target)
		defer func() { d.aliases = d.aliases[:len(d.aliases)-1] }()
	}
	return f(target)
}

// free reads a value of any form.
func (d *decoder) free(n *node, p *path, depth int) any {
	return d.follow(n, p, depth, func(n *node) any {
		switch n.Kind {
		case scalarNode:
			v, err := scalarValue(n)
			if err != nil {
				d.fail(n, p, "wrong-type", "", "%s", err)
			}
			return v
		case listNode:
			list := make([]any, len(n.Content))
			for i, e := range n.Content {
				list[i] = d.free(e, p.item(i), depth+1)
			}
			return list
		case mapNode:
			m := make(map[string]any, len(n.Content)/2)
			for _, f := range d.pairs(n, p, depth) {
				m[f.name] = d.free(f.value, p.field(f.name), depth+1)
			}
			return m
		}
		return nil
	})
}

// A pair is a key of a mapping and its value.
type pair struct {
	name       string
	key, value *node
}

// pairs lists the keys of a mapping in order, with what is merged into it
// behind. Keys that are there twice are reported.
func (d *decoder) pairs(n *node, p *path, depth int) []pair {
	out := make([]pair, 0, len(n.Content)/2)
	var merged []*node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag == tagMerge {
			merged = append(merged, value)
			continue
		}
		if key.Kind == aliasNode {
			key = key.Alias
		}
		if key.Kind != scalarNode {
			d.fail(key, p, "wrong-type", "", "a key must be text")
			continue
		}
		if duplicate(out, key.Value) {
			first := out[slices.IndexFunc(out, func(f pair) bool { return f.name == key.Value })]
			d.fail(key, p.field(key.Value), "duplicate-key", "", "the key %q is already on line %d", key.Value, d.doc.line(first.key))
			continue
		}
		out = append(out, pair{key.Value, key, value})
	}
	for _, m := range merged {
		out = d.merge(out, m, p, depth+1)
	}
	return out
}

// merge adds the keys of a mapping, or of a list of mappings, that are not
// there yet.
func (d *decoder) merge(out []pair, n *node, p *path, depth int) []pair {
	d.follow(n, p, depth, func(n *node) any {
		switch n.Kind {
		case mapNode:
			for _, f := range d.pairs(n, p, depth) {
				if !duplicate(out, f.name) {
					out = append(out, f)
				}
			}
		case listNode:
			for _, e := range n.Content {
				out = d.merge(out, e, p, depth+1)
			}
		default:
			d.fail(n, p, "wrong-type", "", "<< merges a map, or a list of maps")
		}
		return nil
	})
	return out
}

func duplicate(pairs []pair, name string) bool {
	return slices.ContainsFunc(pairs, func(f pair) bool { return f.name == name })
}

var (
	textUnmarshaler  = reflect.TypeFor[encoding.TextUnmarshaler]()
	textOrSecretType = reflect.TypeFor[schema.TextOrSecret]()
	secretNameType   = reflect.TypeFor[schema.SecretName]()
)

// into reads a node into a Go value and returns its plain JSON value.
func (d *decoder) into(n *node, v reflect.Value, p *path, depth int) any {
	return d.follow(n, p, depth, func(n *node) any {
		if v.CanAddr() && v.Addr().Type().Implements(textUnmarshaler) {
			return d.text(n, v, p)
		}
		switch v.Type() {
		case textOrSecretType:
			return d.decodeText(n, v, p, depth)
		case secretNameType:
			if n.Kind == scalarNode {
				return d.plainSecret(n, p)
			}
		}
		switch v.Kind() {
		case reflect.Interface:
			x := d.free(n, p, depth)
			if x != nil {
				v.Set(reflect.ValueOf(x))
			}
			return x
		case reflect.Pointer:
			if n.Tag == tagNull && v.Type().Elem().Kind() != reflect.Struct {
				return nil
			}
			v.Set(reflect.New(v.Type().Elem()))
			return d.into(n, v.Elem(), p, depth)
		case reflect.Struct:
			return d.object(n, v, p, depth)
		case reflect.Map:
			return d.mapping(n, v, p, depth)
		case reflect.Slice:
			return d.list(n, v, p, depth)
		}
		return d.scalar(n, v, p)
	})
}

// object reads a struct, strictly.
func (d *decoder) object(n *node, v reflect.Value, p *path, depth int) any {
	if n.Kind == scalarNode && n.Tag == tagNull && n.Value == "" && v.NumField() == 0 {
		return map[string]any{} // "manual:" with nothing behind
	}
	if n.Kind != mapNode {
		d.wrongType(n, p, "an object")
		return nil
	}
	info := infoOf(v.Type())
	out := make(map[string]any, len(n.Content)/2)
	for _, f := range d.pairs(n, p, depth) {
		fi := info.find(f.name)
		if fi == nil {
			d.unknownField(f, v.Type(), info, p)
			continue
		}
		at := p.field(f.name)
		if f.value.Tag == tagNull && f.value.Kind == scalarNode && v.Field(fi.index).Kind() != reflect.Pointer {
			if fi.required {
				d.fail(f.value, at, "missing-field", "", "%s has no value", f.name)
			}
			out[f.name] = nil
			continue
		}
		if f.name == "if" && f.value.Kind == scalarNode && f.value.Tag == tagBool {
			v.Field(fi.index).SetString(f.value.Value)
			out[f.name] = f.value.Value
			continue
		}
		before := len(d.diags)
		x := d.into(f.value, v.Field(fi.index), at, depth+1)
		out[f.name] = x
		if len(d.diags) == before {
			d.limits(f.value, v.Field(fi.index), fi, at)
		}
	}
	for i := range info.fields {
		if fi := &info.fields[i]; fi.required {
			if _, ok := out[fi.name]; !ok && !d.full {
				d.fail(n, p, "missing-field", "", "%s is missing", missingName(p, fi.name))
			}
		}
	}
	// Null is the same as not there.
	maps.DeleteFunc(out, func(_ string, x any) bool { return x == nil })
	return out
}

// missingName names a missing field with what it is missing in.
func missingName(p *path, name string) string {
	if p == nil || p.index >= 0 {
		return name
	}
	return p.name + "." + name
}

func (d *decoder) mapping(n *node, v reflect.Value, p *path, depth int) any {
	if n.Kind != mapNode {
		d.wrongType(n, p, "an object")
		return nil
	}
	pairs := d.pairs(n, p, depth)
	m, out := reflect.MakeMapWithSize(v.Type(), len(pairs)), make(map[string]any, len(pairs))
	for _, f := range pairs {
		e := reflect.New(v.Type().Elem()).Elem()
		out[f.name] = d.into(f.value, e, p.field(f.name), depth+1)
		m.SetMapIndex(reflect.ValueOf(f.name), e)
	}
	v.Set(m)
	return out
}

func (d *decoder) list(n *node, v reflect.Value, p *path, depth int) any {
	if n.Kind != listNode {
		d.wrongType(n, p, "a list")
		return nil
	}
	list, out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)), make([]any, len(n.Content))
	for i, e := range n.Content {
		out[i] = d.into(e, list.Index(i), p.item(i), depth+1)
	}
	v.Set(list)
	return out
}

// text reads what has a text form of its own, such as a Duration.
func (d *decoder) text(n *node, v reflect.Value, p *path) any {
	if n.Kind != scalarNode || n.Tag != tagText {
		if n.Kind == scalarNode && (n.Tag == tagInt || n.Tag == tagFloat) {
			d.fail(n, p, "wrong-type", fmt.Sprintf("write %ss for seconds", n.Value), "a duration needs a unit")
			return nil
		}
		d.wrongType(n, p, "a duration such as 30s")
		return nil
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		d.fail(n, p, "invalid-value", "", "%s", err)
	}
	return n.Value
}

func (d *decoder) scalar(n *node, v reflect.Value, p *path) any {
	want := map[reflect.Kind]string{
		reflect.String: "text", reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Int64: "a whole number", reflect.Float64: "a number",
	}[v.Kind()]
	if n.Kind != scalarNode {
		d.wrongType(n, p, want)
		return nil
	}
	x, err := scalarValue(n)
	if err != nil {
		d.fail(n, p, "wrong-type", "", "%s", err)
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		if s, ok := x.(string); ok {
			v.SetString(s)
			return s
		}
	case reflect.Bool:
		if b, ok := x.(bool); ok {
			v.SetBool(b)
			return b
		}
	case reflect.Int, reflect.Int64:
		if i, ok := wholeNumber(x); ok {
			v.SetInt(int64(i))
			return i
		}
	case reflect.Float64:
		if f, ok := number(x); ok {
			v.SetFloat(f)
			return x
		}
	}
	d.wrongType(n, p, want)
	return nil
}

// wrongType reports a node of another form than the field has.
func (d *decoder) wrongType(n *node, p *path, want string) {
	got, suggestion := "a list", ""
	switch n.Kind {
	case mapNode:
		got = "an object"
	case scalarNode:
		got = map[string]string{tagText: "text", tagInt: "a number", tagFloat: "a number", tagBool: "true or false", tagNull: "null", tagTime: "text"}[n.Tag]
		if got == "" {
			got = n.Tag
		}
		switch {
		case want == "text" && n.Tag != tagNull:
			suggestion = fmt.Sprintf("write it in quotes: %q", shorten(n.Value, 60))
		case want == "true or false" && n.Tag == tagText && slices.Contains([]string{"yes", "on", "y"}, strings.ToLower(n.Value)):
			suggestion = "write true"
		case want == "true or false" && n.Tag == tagText && slices.Contains([]string{"no", "off", "n"}, strings.ToLower(n.Value)):
			suggestion = "write false"
		case want == "a list" && n.Tag != tagNull:
			suggestion = "write it as a list: [" + shorten(n.Value, 40) + "]"
		}
	}
	name := "this"
	if p != nil && p.index < 0 {
		name = p.name
	}
	if d.doc.hidden {
		suggestion = ""
		if want == "text" {
			suggestion = "write it in quotes"
		}
	}
	d.fail(n, p, "wrong-type", suggestion, "%s must be %s, not %s", name, want, got)
}
