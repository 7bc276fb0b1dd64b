package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/checker/nature"

	"paragon/schema"
)

// A compiler turns one spec into a Workflow and collects what is wrong with
// it.
type compiler struct {
	name  string
	spec  *schema.WorkflowSpec
	doc   *Document // nil when the source is not known
	at    string    // of values compiled on their own
	diags Diagnostics
	exprs *exprCompiler
	steps *stepTable
	// envs of the workflow's expressions, by where they stand.
	// reported says that reading the document found errors: what they left out is
	// not to be reported again.
	reported bool
	stepEnv  *environment
	secrets  map[string]bool
	byID     map[string]*Step
	seen     map[seen]seenExpression
}

func newCompiler(name string, spec *schema.WorkflowSpec, doc *Document) *compiler {
	return &compiler{
		name: name, spec: spec, doc: doc, exprs: newExprCompiler(), steps: newStepTable(),
		secrets: map[string]bool{}, byID: map[string]*Step{}, seen: map[seen]seenExpression{},
	}
}

// report adds a finding at the value of a field.
func (c *compiler) report(p *path, severity schema.Severity, code, suggestion, format string, args ...any) {
	c.reportAt(p, -1, severity, code, suggestion, fmt.Sprintf(format, args...))
}

func (c *compiler) fail(p *path, code, suggestion, format string, args ...any) {
	c.report(p, schema.SeverityError, code, suggestion, format, args...)
}

func (c *compiler) warn(p *path, code, suggestion, format string, args ...any) {
	c.report(p, schema.SeverityWarning, code, suggestion, format, args...)
}

// reportAt adds a finding, offset runes inside the text of a field when offset
// is not negative.
func (c *compiler) reportAt(p *path, offset int, severity schema.Severity, code, suggestion, message string) {
	d := schema.Diagnostic{
		Severity: severity, Code: code, Message: message, Suggestion: suggestion, Field: p.String(),
	}
	if c.doc != nil {
		c.doc.place(&d, p, offset)
	} else if c.at != "" {
		d.Field = c.at
	}
	c.diags = append(c.diags, d)
}

// placeOf is where a field stands, for people: "file:line:col" or the path.
func (c *compiler) placeOf(p *path) string {
	switch {
	case c.at != "":
		return c.at
	case c.doc != nil:
		if s := c.doc.position(p); s != "" {
			return s
		}
	}
	return p.String()
}

// value compiles a YAML value against an environment.
func (c *compiler) value(v any, p *path, env *environment) *Value {
	switch v := v.(type) {
	case string:
		return c.template(v, p, env)
	case []any:
		list := make([]*Value, len(v))
		dynamic := false
		for i, e := range v {
			list[i] = c.value(e, p.item(i), env)
			dynamic = dynamic || list[i].kind != literalValue
		}
		if dynamic {
			return &Value{kind: listValue, list: list}
		}
		return &Value{literal: literals(list)}
	case map[string]any:
		fields := make([]valueField, 0, len(v))
		dynamic := false
		for _, k := range slices.Sorted(maps.Keys(v)) {
			f := valueField{k, c.value(v[k], p.field(k), env)}
			dynamic = dynamic || f.value.kind != literalValue
			fields = append(fields, f)
		}
		return newMap(fields, dynamic)
	case json.Number:
		return &Value{literal: fromNumber(v)}
	case map[string]string:
		return c.value(anyMap(v), p, env)
	case nil, bool, int, float64:
		return &Value{literal: v}
	}
	x, err := toPlain(v)
	if err != nil {
		c.fail(p, "wrong-type", "", "%s", err)
	}
	return &Value{literal: x}
}

// newMap makes a map value of sorted fields.
func newMap(fields []valueField, dynamic bool) *Value {
	if dynamic {
		return &Value{kind: mapValue, fields: fields}
	}
	m := make(map[string]any, len(fields))
	for _, f := range fields {
		m[f.name] = f.value.literal
	}
	return &Value{literal: m}
}

func literals(list []*Value) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v.literal
	}
	return out
}

func anyMap(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// template compiles a text that may hold expressions.
func (c *compiler) template(s string, p *path, env *environment) *Value {
	if !strings.Contains(s, "${{") {
		return &Value{literal: s}
	}
	pieces, err := split(s)
	if err != nil {
		c.reportAt(p, utf8.RuneCountInString(s[:pieces[0].offset]), schema.SeverityError, "expression",
			"close the expression with }}", "the expression is not closed")
		return &Value{literal: s}
	}
	if len(pieces) == 1 {
		if !pieces[0].expr {
			return &Value{literal: pieces[0].text}
		}
		x, _ := c.expression(s, pieces[0].text, pieces[0].offset, p, env)
		return &Value{kind: exprValue, expr: x}
	}
	v := &Value{kind: textValue, parts: make([]part, len(pieces))}
	for i, piece := range pieces {
		if piece.expr {
			v.parts[i].expr, _ = c.expression(s, piece.text, piece.offset, p, env)
		} else {
			v.parts[i].text = piece.text
		}
	}
	return v
}

// expression compiles the expression at an offset of a field's text. After an
// error it returns an expression that always fails, so that a Value is whole.
func (c *compiler) expression(text, source string, offset int, p *path, env *environment) (*expression, nature.Nature) {
	x, result, errs := c.compiled(source, env)
	before := -1
	for _, e := range errs {
		if before < 0 {
			before = utf8.RuneCountInString(text[:offset])
		}
		severity := schema.SeverityError
		if e.warning {
			severity = schema.SeverityWarning
		}
		c.reportAt(p, before+e.offset, severity, e.code, e.suggestion, e.message)
	}
	if x == nil {
		return &expression{source: source}, result
	}
	x.source = strings.TrimSpace(x.source)
	x.field = p.String()
	x.at = c.placeOf(p)
	for _, s := range x.secrets {
		c.secrets[s] = true
	}
	return x, result
}

// A seen expression is one that was compiled before, by its source and what was in
// scope: the same account or address is often needed in many steps.
type seen struct {
	scope  *nature.TypeData
	open   bool
	source string
}

type seenExpression struct {
	expression expression
	result     nature.Nature
}

// compiled compiles an expression, or takes the one that was compiled before. What
// reads steps is always compiled: which of them have run differs.
func (c *compiler) compiled(source string, env *environment) (*expression, nature.Nature, []exprError) {
	key := seen{env.nature.TypeData, env.open, source}
	if known, ok := c.seen[key]; ok {
		x := known.expression
		return &x, known.result, nil
	}
	x, result, errs := c.exprs.compile(source, env)
	if x != nil && len(errs) == 0 && !slices.Contains(x.roots, "steps") {
		c.seen[key] = seenExpression{*x, result}
	}
	return x, result, errs
}

// condition compiles a field that is one expression: bare, or inside ${{ }}.
// It returns the static type of the result as well.
func (c *compiler) condition(s string, p *path, env *environment) (*Value, nature.Nature) {
	source, offset := s, 0
	if strings.Contains(s, "${{") {
		pieces, err := split(strings.TrimSpace(s))
		if err != nil || len(pieces) != 1 || !pieces[0].expr {
			c.fail(p, "expression", "write one expression, with && and || between its parts", "this must be a single expression")
			return &Value{}, nature.Nature{}
		}
		source = pieces[0].text
		offset = strings.Index(s, "${{") + 3
	}
	x, result := c.expression(s, source, offset, p, env)
	return &Value{kind: exprValue, expr: x}, result
}

// test compiles a condition whose result must be true or false.
func (c *compiler) test(s string, p *path, env *environment) *Value {
	if s == "" {
		return nil
	}
	v, result := c.condition(s, p, env)
	if result.Type != nil && !result.Nil && result.Kind != reflect.Bool && result.Kind != reflect.Interface {
		c.fail(p, "expression", "compare it with something", "a condition must be true or false, this is %s", natureName(result))
	}
	return v
}

// natureName is a static type as messages call it.
func natureName(n nature.Nature) string {
	switch {
	case n.Nil:
		return "null"
	case n.Type == nil:
		return "any value"
	case n.Kind == reflect.String:
		return "text"
	case n.IsInteger || n.IsFloat:
		return "a number"
	case n.Kind == reflect.Slice:
		return "a list"
	case n.Kind == reflect.Map:
		return "an object"
	case n.Kind == reflect.Bool:
		return "true or false"
	}
	return humanize(n.String())
}

// optional compiles a text unless it is empty.
func (c *compiler) optional(s string, p *path, env *environment) *Value {
	if s == "" {
		return nil
	}
	return c.template(s, p, env)
}

// CompileValue compiles a value on its own: every name in its expressions is
// taken as part of the scope. at is the place that errors name.
func CompileValue(v any, at string) (*Value, error) {
	c := newCompiler("", nil, nil)
	c.at = at
	out := c.value(v, &path{name: at, index: -1}, freeEnvironment())
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	return out, nil
}

// CompileExpr compiles one expression, without ${{ }} around it, on its own.
func CompileExpr(src, at string) (*Value, error) {
	c := newCompiler("", nil, nil)
	c.at = at
	x, _ := c.expression(src, src, 0, &path{name: at, index: -1}, freeEnvironment())
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	return &Value{kind: exprValue, expr: x}, nil
}

// CompileSpec compiles the canonical JSON of a workflow's spec, as it was
// stored when it was applied. The places in its errors are field paths. Its
// error is of type Diagnostics when the spec breaks a rule of the language.
func CompileSpec(name string, spec json.RawMessage) (*Workflow, error) {
	w := &schema.WorkflowSpec{}
	d := json.NewDecoder(strings.NewReader(string(spec)))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(w); err != nil {
		return nil, fmt.Errorf("workflow %s: the stored spec can't be read: %w", name, err)
	}
	plainSpec(reflect.ValueOf(w).Elem())
	c := newCompiler(name, w, nil)
	c.checkShape()
	compiled := c.workflow()
	if c.diags.HasErrors() {
		return nil, c.diags
	}
	return compiled, nil
}

// plainSpec replaces json.Number by int and float64 in the free-form values of
// a spec.
func plainSpec(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			v.Set(reflect.ValueOf(plainNumbers(v.Interface())))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			plainSpec(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			plainSpec(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			plainSpec(v.Index(i))
		}
	case reflect.Map:
		if m, ok := v.Interface().(map[string]any); ok {
			plainNumbers(m)
		} else if v.Type().Elem().Kind() == reflect.Struct {
			for it := v.MapRange(); it.Next(); {
				e := reflect.New(v.Type().Elem()).Elem()
				e.Set(it.Value())
				plainSpec(e)
				v.SetMapIndex(it.Key(), e)
			}
		}
	}
}

// errNotCompiled is the reason why an expression with an error can't be
// evaluated; a workflow with one is never returned.
var errNotCompiled = errors.New("the expression was not compiled")
