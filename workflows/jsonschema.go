package workflows

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"paragon/schema"
)

// A jsonSchema is a compiled JSON Schema (draft 2020-12 unless $schema says
// otherwise). Format assertions are on. nil accepts everything.
type jsonSchema struct{ compiled *jsonschema.Schema }

// noLoader refuses to fetch what a $ref names outside of the schema.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is outside of the schema: only $defs of its own can be referred to", url)
}

const schemaURL = "schema:///schema.json"

// schemaOf compiles a schema of the spec.
func (c *compiler) schemaOf(s map[string]any, at *path) *jsonSchema {
	if s == nil {
		return nil
	}
	compiled, err := compileSchema(s)
	if err != nil {
		p, text := at, err.Error()
		var invalid *jsonschema.SchemaValidationError
		var first *jsonschema.ValidationError
		if errors.As(err, &invalid) && errors.As(invalid.Err, &first) {
			leaf := deepest(first)
			for _, name := range leaf.InstanceLocation {
				if i, err := strconv.Atoi(name); err == nil {
					p = p.item(i)
				} else {
					p = p.field(name)
				}
			}
			text = explainKind(leaf.ErrorKind)
		}
		text = strings.ReplaceAll(text, schemaURL+"#", "#")
		c.fail(p, "json-schema", "", "this is not a JSON Schema: %s", text)
		return nil
	}
	return compiled
}

func compileSchema(s map[string]any) (_ *jsonSchema, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(noLoader{})
	if err := c.AddResource(schemaURL, s); err != nil {
		return nil, err
	}
	compiled, err := c.Compile(schemaURL)
	if err != nil {
		return nil, err
	}
	return &jsonSchema{compiled}, nil
}

// deepest follows the first causes down.
func deepest(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	return e
}

// check lists what is wrong with a value, each with its path under root.
func (s *jsonSchema) check(root string, v any) []schema.Diagnostic {
	if s == nil {
		return nil
	}
	var failed *jsonschema.ValidationError
	if err := s.compiled.Validate(v); err == nil {
		return nil
	} else if !errors.As(err, &failed) {
		return []schema.Diagnostic{{Severity: schema.SeverityError, Code: "json-schema", Field: root, Message: err.Error()}}
	}
	var found []schema.Diagnostic
	collect(failed, root, &found)
	return found
}

// collect takes the innermost causes. Of alternatives none of which fits only
// the outer one is reported.
func collect(e *jsonschema.ValidationError, root string, found *[]schema.Diagnostic) {
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not:
	default:
		if len(e.Causes) > 0 {
			for _, cause := range e.Causes {
				collect(cause, root, found)
			}
			return
		}
	}
	at := instancePath(root, e.InstanceLocation)
	add := func(field, message, suggestion string) {
		if len(*found) < 100 {
			*found = append(*found, schema.Diagnostic{Severity: schema.SeverityError, Code: "json-schema", Field: field, Message: message, Suggestion: suggestion})
		}
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			add(at.field(name).String(), "is required", "")
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			add(at.field(name).String(), "is not allowed", "")
		}
	default:
		add(at.String(), explainKind(e.ErrorKind), "")
	}
}

// instancePath is a place inside a value.
func instancePath(root string, tokens []string) *path {
	p := &path{name: root, index: -1}
	for _, t := range tokens {
		if i, err := strconv.Atoi(t); err == nil && i >= 0 {
			p = p.item(i)
		} else {
			p = p.field(t)
		}
	}
	return p
}

var english = message.NewPrinter(language.English)

// explainKind says what is wrong. A value itself is never shown: it may be a
// secret or personal.
func explainKind(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be %s, is %s", strings.Join(k.Want, " or "), k.Got)
	case *kind.Format:
		return fmt.Sprintf("is not a valid %s", k.Want)
	case *kind.Pattern:
		return fmt.Sprintf("does not match the pattern %s", k.Want)
	case *kind.Enum:
		words := make([]string, 0, len(k.Want))
		for _, w := range k.Want {
			text, err := toJSON(w)
			if err == nil {
				words = append(words, text)
			}
		}
		return "must be one of " + shorten(strings.Join(words, ", "), 200)
	case *kind.Const:
		text, err := toJSON(k.Want)
		if err != nil {
			return "must be the one value that is allowed"
		}
		return "must be " + shorten(text, 200)
	case *kind.UniqueItems:
		return fmt.Sprintf("has the same element at %d and %d", k.Duplicates[0], k.Duplicates[1])
	case *kind.AnyOf:
		return "fits none of the alternatives"
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return "fits more than one of the alternatives"
		}
		return "fits none of the alternatives"
	case *kind.Not:
		return "is what it must not be"
	case *kind.FalseSchema:
		return "is not allowed"
	case *kind.MultipleOf:
		want, _ := k.Want.Float64()
		return "must be a multiple of " + numberText(want)
	}
	return k.LocalizedString(english)
}

// CheckInput checks a run's input against spec.input (JSON Schema 2020-12,
// with format assertions). The fields of what it finds begin with "input". It
// finds nothing when there is no schema.
func (w *Workflow) CheckInput(input any) []schema.Diagnostic { return w.input.check("input", input) }

// CheckOutput checks a run's output against spec.outputSchema.
func (w *Workflow) CheckOutput(v any) []schema.Diagnostic { return w.output.check("output", v) }

// CheckRequest checks a webhook's request against the schemas of its trigger.
// The names of headers must be in lower case. The fields of what it finds
// begin with "headers", "query" or "body".
func (t *Trigger) CheckRequest(headers, query map[string]string, body any) []schema.Diagnostic {
	var found []schema.Diagnostic
	if t.headers != nil {
		found = append(found, t.headers.check("headers", anyMap(headers))...)
	}
	if t.query != nil {
		found = append(found, t.query.check("query", anyMap(query))...)
	}
	return append(found, t.body.check("body", body)...)
}
