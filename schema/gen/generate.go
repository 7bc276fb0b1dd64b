package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"strconv"
)

// A kind is a resource kind and the file of its schema.
type kind struct{ name, spec, file string }

var kinds = []kind{
	{"Workflow", "WorkflowSpec", "workflow.json"},
	{"Secret", "SecretSpec", "secret.json"},
	{"Integration", "IntegrationSpec", "integration.json"},
	{"Destination", "DestinationSpec", "destination.json"},
	{"WorkflowTest", "WorkflowTestSpec", "workflowtest.json"},
}

// exactlyOne lists the structs of which exactly one of some keys is set.
var exactlyOne = map[string][]string{
	"StepSpec":        {"request", "function", "set", "switch", "forEach", "parallel", "delay", "waitFor", "respond", "emit", "call", "fail"},
	"TriggerSpec":     {"manual", "webhook", "cron", "event"},
	"WebhookAuth":     {"preset", "hmac", "basic", "bearer", "apiKey"},
	"RequestAuth":     {"basic", "bearer", "oauth2"},
	"IntegrationAuth": {"none", "basic", "bearer", "apiKey", "oauth2"},
	"IntegrationKey":  {"header", "query"},
	"SecretSource":    {"env", "file"},
	"DelayStep":       {"for", "until"},
	"SwitchBranch":    {"if", "else"},
}

const dnsLabel = `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`

// patterns are the forms of names, by struct and key.
var patterns = map[string]string{
	"StepSpec.id":       `^[A-Za-z][A-Za-z0-9_]{0,62}$`,
	"TriggerSpec.id":    dnsLabel,
	"CallStep.workflow": dnsLabel,
}

// durationPattern is the text form of a Duration.
const durationPattern = `^([0-9]+d)?([0-9]+(\.[0-9]+)?(h|m|s|ms|us|µs|ns))*$`

// An object is a JSON object that keeps the order of its keys.
type object []entry

type entry struct {
	key   string
	value any
}

// MarshalJSON writes the keys in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := marshal(e.key)
		if err != nil {
			return nil, err
		}
		value, err := marshal(e.value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// A generator collects the definitions that a schema refers to.
type generator struct {
	structs     map[string]*structType
	definitions object
	done        map[string]bool
}

// generate writes the schema of a kind.
func generate(structs map[string]*structType, k kind) ([]byte, error) {
	g := &generator{structs: structs, done: map[string]bool{}}
	metadata, err := g.reference("Metadata")
	if err != nil {
		return nil, err
	}
	spec, err := g.reference(k.spec)
	if err != nil {
		return nil, err
	}
	name := dnsLabel
	if k.name == "Secret" {
		name = `^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?|[A-Z_][A-Z0-9_]{0,62})$`
	}
	for i, e := range g.definitions {
		if e.key == "Metadata" {
			g.definitions[i].value = withPattern(e.value.(object), "name", name)
		}
	}
	data, err := marshal(object{
		{"$schema", "http://json-schema.org/draft-07/schema#"},
		{"title", "Paragon " + k.name},
		{"type", "object"},
		{"required", []string{"apiVersion", "kind", "metadata", "spec"}},
		{"additionalProperties", false},
		{"properties", object{
			{"apiVersion", object{{"description", "The version of the language."}, {"const", "paragon/v1"}}},
			{"kind", object{{"description", "The kind of resource."}, {"const", k.name}}},
			{"metadata", metadata},
			{"spec", spec},
		}},
		{"definitions", g.definitions},
	})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, data, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// withPattern adds a pattern to a property of an object's schema.
func withPattern(schema object, property, pattern string) object {
	for i, e := range schema {
		if e.key != "properties" {
			continue
		}
		properties := e.value.(object)
		for j, p := range properties {
			if p.key == property {
				properties[j].value = append(p.value.(object), entry{"pattern", pattern})
			}
		}
		schema[i].value = properties
	}
	return schema
}

// reference is a $ref to a struct's definition, which it adds.
func (g *generator) reference(name string) (object, error) {
	ref := object{{"$ref", "#/definitions/" + name}}
	if g.done[name] {
		return ref, nil
	}
	g.done[name] = true
	s := g.structs[name]
	if s == nil {
		return nil, fmt.Errorf("there is no struct %s", name)
	}
	at := len(g.definitions)
	g.definitions = append(g.definitions, entry{key: name})
	definition, err := g.definition(s)
	if err != nil {
		return nil, err
	}
	g.definitions[at].value = definition
	return ref, nil
}

func (g *generator) definition(s *structType) (object, error) {
	properties := object{}
	required := []string{}
	for _, f := range s.fields {
		p, err := g.property(s, f)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", s.name, f.goName, err)
		}
		properties = append(properties, entry{f.name, p})
		if f.required {
			required = append(required, f.name)
		}
	}
	out := object{{"description", s.doc}, {"type", "object"}, {"additionalProperties", false}}
	if len(s.fields) == 0 {
		out[1].value = []string{"object", "null"}
	}
	if len(required) > 0 {
		out = append(out, entry{"required", required})
	}
	out = append(out, entry{"properties", properties})
	if keys := exactlyOne[s.name]; keys != nil {
		var one []any
		for _, k := range keys {
			one = append(one, object{{"required", []string{k}}})
		}
		out = append(out, entry{"oneOf", one})
	}
	if s.name == "StepSpec" {
		out = append(out, entry{"dependencies", object{{"forEach", []string{"steps"}}, {"steps", []string{"forEach"}}}})
	}
	return out, nil
}

// property is the schema of a field.
func (g *generator) property(s *structType, f field) (object, error) {
	t, err := g.typeOf(f.goType)
	if err != nil {
		return nil, err
	}
	out := object{}
	if f.doc != "" {
		out = append(out, entry{"description", f.doc})
	}
	if len(t) > 0 && t[0].key == "$ref" {
		// In draft-07 what stands beside a $ref is ignored.
		return append(out, entry{"allOf", []any{t}}), nil
	}
	if f.name == "if" {
		t = object{{"type", []string{"string", "boolean"}}}
	}
	out = append(out, t...)
	if f.enum != nil {
		out = append(out, entry{"enum", f.enum})
	}
	for _, limit := range []struct{ key, text string }{{"minimum", f.min}, {"maximum", f.max}} {
		if limit.text == "" {
			continue
		}
		n, err := strconv.ParseFloat(limit.text, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, entry{limit.key, n})
	}
	if p := patterns[s.name+"."+f.name]; p != "" {
		out = append(out, entry{"pattern", p})
	}
	if f.required && len(t) > 0 && t[0].value == "string" && f.enum == nil {
		out = append(out, entry{"minLength", 1})
	}
	return out, nil
}

// typeOf is the schema of a Go type.
func (g *generator) typeOf(t ast.Expr) (object, error) {
	switch t := t.(type) {
	case *ast.StarExpr:
		return g.typeOf(t.X)
	case *ast.ArrayType:
		items, err := g.typeOf(t.Elt)
		if err != nil {
			return nil, err
		}
		return object{{"type", "array"}, {"items", items}}, nil
	case *ast.MapType:
		values, err := g.typeOf(t.Value)
		if err != nil {
			return nil, err
		}
		return object{{"type", "object"}, {"additionalProperties", values}}, nil
	case *ast.Ident:
		switch t.Name {
		case "string", "Priority", "Durability":
			return object{{"type", "string"}}, nil
		case "int", "int64":
			return object{{"type", "integer"}}, nil
		case "float64":
			return object{{"type", "number"}}, nil
		case "bool":
			return object{{"type", "boolean"}}, nil
		case "any":
			return object{}, nil
		case "TextOrSecret":
			name, err := g.reference("SecretName")
			if err != nil {
				return nil, err
			}
			return object{{"anyOf", []any{object{{"type", "string"}, {"minLength", 1}}, name}}}, nil
		case "Duration":
			return object{{"type", "string"}, {"pattern", durationPattern}}, nil
		}
		return g.reference(t.Name)
	}
	return nil, fmt.Errorf("the type %T has no JSON Schema", t)
}
