package workflows

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"paragon/schema"
)

// Source is one file, or the body of a request, of YAML or JSON documents.
type Source struct {
	// File is its name for diagnostics.
	File string
	Data []byte
}

// Document is one parsed, strictly decoded resource with its positions.
type Document struct {
	Resource schema.Resource
	// Workflow, Secret or Test is the decoded spec, by the kind; an Integration and
	// a Destination are compiled already.
	Workflow    *schema.WorkflowSpec
	Secret      *schema.SecretSpec
	Test        *schema.WorkflowTestSpec
	Integration *Integration
	Destination *Destination
	// File and Line are where the document begins.
	File string
	Line int

	root *node
	// before is the number of lines before the text that root was read from.
	before int
	// lines are those of the whole source.
	lines []string
	// hidden says that the document may hold a secret's value, so that no line
	// of it is shown.
	hidden bool
}

// secretKind recognizes a Secret, also in a document that is not YAML.
var secretKind = regexp.MustCompile(`kind"?'?\s*:\s*"?'?Secret\b`)

// Parse reads every document of every source and reports all that is wrong
// with any of them. The documents that it returns are without errors; what
// only compiling can find in a workflow with errors is in the diagnostics
// already, and for the others is found by Compile.
func Parse(sources ...Source) ([]Document, Diagnostics) {
	var docs []Document
	var diags Diagnostics
	first := map[schema.Ref]string{}
	for _, src := range sources {
		found, problems := parseSource(src)
		for i := range found {
			d := &found[i]
			ref := schema.Ref{Kind: d.Resource.Kind, Name: d.Resource.Metadata.Name}
			if where, ok := first[ref]; ok {
				x := schema.Diagnostic{
					Severity: schema.SeverityError, Code: "duplicate-resource", Resource: ref.String(), Field: "metadata.name",
					Message: fmt.Sprintf("%s is already defined at %s", ref, where),
				}
				d.place(&x, rootPath.field("metadata").field("name"), -1)
				problems = append(problems, x)
				continue
			}
			first[ref] = fmt.Sprintf("%s:%d", d.File, d.Line)
			docs = append(docs, *d)
		}
		problems.order()
		diags = append(diags, problems...)
	}
	return docs, diags
}

// parseSource reads the documents of one source.
func parseSource(src Source) ([]Document, Diagnostics) {
	whole := func(code, message string) Diagnostics {
		return Diagnostics{{Severity: schema.SeverityError, Code: code, Message: message, File: src.File}}
	}
	if len(src.Data) > maxSource {
		return nil, whole("too-large", fmt.Sprintf("the file is larger than %d MiB", maxSource>>20))
	}
	text, err := validText(src.Data)
	if err != nil {
		return nil, whole("yaml", err.Error())
	}
	var docs []Document
	var diags Diagnostics
	lines := sourceLines(text)
	for _, chunk := range chunks(text) {
		doc := Document{File: src.File, before: chunk.line, lines: lines}
		if len(chunk.text) > maxDocument {
			x := schema.Diagnostic{Severity: schema.SeverityError, Code: "too-large", Message: fmt.Sprintf("the document is larger than %d MiB", maxDocument>>20)}
			doc.at(&x, chunk.line+1, 1)
			diags = append(diags, x)
			continue
		}
		doc.hidden = secretKind.MatchString(chunk.text)
		root, bad := parseYAML(chunk.text)
		if bad != nil {
			x := schema.Diagnostic{Severity: schema.SeverityError, Code: "yaml", Message: "this is not YAML: " + bad.message}
			line := chunk.line + max(1, bad.line)
			doc.at(&x, line, firstColumn(lines, line))
			diags = append(diags, x)
			continue
		}
		if root == nil {
			continue
		}
		doc.root = root
		doc.Line = doc.line(root)
		problems := doc.decode()
		diags = append(diags, problems...)
		if !problems.HasErrors() {
			docs = append(docs, doc)
		}
	}
	return docs, diags
}

// firstColumn is the column of the first character of a line that is not
// white space.
func firstColumn(lines []string, line int) int {
	if line < 1 || line > len(lines) {
		return 1
	}
	s := lines[line-1]
	return len([]rune(s)) - len([]rune(strings.TrimLeft(s, " \t"))) + 1
}

// envelope is the document without its spec.
type envelope struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   schema.Metadata `json:"metadata"`
	Spec       any             `json:"spec"`
}

// decode reads the envelope and the spec, and checks what needs no other
// document.
func (d *Document) decode() Diagnostics {
	dec := &decoder{doc: d}
	root := dec.enter(d.root, rootPath, 0)
	if root == nil {
		return dec.diags
	}
	if root.Kind != mapNode {
		dec.fail(root, rootPath, "wrong-type", "begin with apiVersion: "+schema.APIVersion, "a document must be an object with apiVersion, kind, metadata and spec")
		return dec.diags
	}
	var env envelope
	var spec *node
	info := infoOf(reflect.TypeFor[envelope]())
	seen := map[string]*node{}
	for _, f := range dec.pairs(root, rootPath, 0) {
		seen[f.name] = f.value
		at := rootPath.field(f.name)
		switch f.name {
		case "apiVersion":
			dec.into(f.value, reflect.ValueOf(&env.APIVersion).Elem(), at, 1)
		case "kind":
			dec.into(f.value, reflect.ValueOf(&env.Kind).Elem(), at, 1)
		case "metadata":
			dec.into(f.value, reflect.ValueOf(&env.Metadata).Elem(), at, 1)
		case "spec":
			spec = f.value
		default:
			dec.fail(f.key, at, "unknown-field", didYouMean(f.name, info.names), "unknown field %q", f.name)
		}
	}
	for _, name := range info.names {
		if seen[name] == nil {
			dec.fail(root, rootPath, "missing-field", "", "%s is missing", name)
		}
	}
	if v := seen["apiVersion"]; v != nil && env.APIVersion != "" && env.APIVersion != schema.APIVersion {
		dec.fail(v, rootPath.field("apiVersion"), "api-version", "write "+schema.APIVersion, "apiVersion %q is not known", env.APIVersion)
	}
	d.Resource = schema.Resource{APIVersion: env.APIVersion, Kind: schema.Kind(env.Kind), Metadata: env.Metadata}
	d.checkName(dec, seen)
	if spec != nil {
		d.decodeSpec(dec, spec, seen["kind"])
	}
	if ref := (schema.Ref{Kind: d.Resource.Kind, Name: d.Resource.Metadata.Name}); ref.Kind.Path() != "" && ref.Name != "" {
		for i := range dec.diags {
			dec.diags[i].Resource = ref.String()
		}
	}
	return dec.diags
}

// checkName checks the name of the resource.
func (d *Document) checkName(dec *decoder, seen map[string]*node) {
	name := d.Resource.Metadata.Name
	if name == "" || d.Resource.Kind.Path() == "" || ValidName(d.Resource.Kind, name) {
		return
	}
	p := rootPath.field("metadata").field("name")
	n := d.find(p)
	if n == nil {
		n = seen["metadata"]
	}
	rule := "small letters, digits and hyphens, 63 at most"
	if d.Resource.Kind == schema.KindSecret {
		rule += ", or capital letters, digits and underscores"
	}
	dec.fail(n, p, "invalid-name", nameAdvice(name), "%q can't be the name of a %s: %s", name, d.Resource.Kind, rule)
}

// decodeSpec reads the spec by the kind.
func (d *Document) decodeSpec(dec *decoder, spec, kind *node) {
	var canonical any
	switch d.Resource.Kind {
	case schema.KindWorkflow:
		d.Workflow = &schema.WorkflowSpec{}
		canonical = dec.into(spec, reflect.ValueOf(d.Workflow).Elem(), specPath, 1)
		c := newCompiler(d.Resource.Metadata.Name, d.Workflow, d)
		c.reported = Diagnostics(dec.diags).HasErrors()
		c.checkShape()
		if (Diagnostics(dec.diags).HasErrors() || c.diags.HasErrors()) && !dec.full {
			c.workflow() // for all that is wrong with it
		}
		dec.diags = append(dec.diags, c.diags...)
	case schema.KindSecret:
		d.Secret = &schema.SecretSpec{}
		canonical = dec.into(spec, reflect.ValueOf(d.Secret).Elem(), specPath, 1)
		d.checkSecret(dec, spec)
	case schema.KindIntegration:
		integration := &schema.IntegrationSpec{}
		canonical = dec.into(spec, reflect.ValueOf(integration).Elem(), specPath, 1)
		if !dec.full {
			c := newCompiler(d.Resource.Metadata.Name, nil, d)
			d.Integration = c.integration(integration)
			dec.diags = append(dec.diags, c.diags...)
		}
	case schema.KindDestination:
		destination := &schema.DestinationSpec{}
		canonical = dec.into(spec, reflect.ValueOf(destination).Elem(), specPath, 1)
		if !dec.full {
			c := newCompiler(d.Resource.Metadata.Name, nil, d)
			d.Destination = c.destination(destination)
			dec.diags = append(dec.diags, c.diags...)
		}
	case schema.KindWorkflowTest:
		d.Test = &schema.WorkflowTestSpec{}
		canonical = dec.into(spec, reflect.ValueOf(d.Test).Elem(), specPath, 1)
		if !dec.full {
			_, more := d.compileTest()
			dec.diags = append(dec.diags, more...)
		}
	default:
		if kind != nil && d.Resource.Kind != "" {
			names := make([]string, len(schema.DocumentKinds))
			for i, k := range schema.DocumentKinds {
				names[i] = string(k)
			}
			dec.fail(kind, rootPath.field("kind"), "unknown-kind", didYouMean(string(d.Resource.Kind), names), "unknown kind %q", d.Resource.Kind)
		}
		return
	}
	text, err := canonicalJSON(canonical)
	if err != nil {
		dec.fail(spec, specPath, "too-large", "", "the spec can't be written as JSON: %s", err)
		return
	}
	d.Resource.Spec = text
}

// checkSecret checks that there is one source of the value.
func (d *Document) checkSecret(dec *decoder, spec *node) {
	s := d.Secret
	if s.Value != "" && s.ValueFrom != nil {
		dec.fail(spec, specPath, "one-of", "", "a Secret has value or valueFrom, not both")
	}
	if s.Value == "" && s.ValueFrom == nil && s.Digest == "" && d.find(specPath.field("value")) == nil {
		dec.fail(spec, specPath, "one-of", "write valueFrom: {env: NAME}", "a Secret has a value or says where it comes from")
	}
	if f := s.ValueFrom; f != nil && !exactlyOne(f.Env, f.File, f.Age) {
		n := d.find(specPath.field("valueFrom"))
		if n == nil {
			n = spec
		}
		dec.fail(n, specPath.field("valueFrom"), "one-of", "", "valueFrom has exactly one of env, file and age")
	}
}

// exactlyOne tells whether exactly one text is not empty.
func exactlyOne(texts ...string) bool {
	n := 0
	for _, t := range texts {
		if t != "" {
			n++
		}
	}
	return n == 1
}

// canonicalJSON writes a plain value with sorted keys and no space.
func canonicalJSON(v any) (json.RawMessage, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return json.RawMessage(strings.TrimSuffix(b.String(), "\n")), nil
}

// Compile checks and compiles a workflow. The findings have positions in the
// source; the workflow is nil when any of them is an error, or when the
// document is of another kind.
func (d *Document) Compile() (*Workflow, Diagnostics) {
	if d.Workflow == nil {
		return nil, Diagnostics{{Severity: schema.SeverityError, Code: "unknown-kind", File: d.File, Line: d.Line, Column: 1,
			Message: fmt.Sprintf("a %s can't be compiled", d.Resource.Kind)}}
	}
	c := newCompiler(d.Resource.Metadata.Name, d.Workflow, d)
	c.checkShape()
	w := c.workflow()
	ref := schema.Ref{Kind: d.Resource.Kind, Name: d.Resource.Metadata.Name}
	for i := range c.diags {
		c.diags[i].Resource = ref.String()
	}
	c.diags.order()
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	return w, c.diags
}
