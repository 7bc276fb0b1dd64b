package workflows

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Scope is what the expressions of one evaluation see. Its values are plain
// JSON values: nil, bool, float64 or int, string, []any and map[string]any.
type Scope struct {
	Input, Trigger, Event any
	// Steps holds the results of the steps that have ended, by id.
	Steps map[string]any
	// Secrets holds the plaintext of the secrets that the workflow names.
	Secrets map[string]any
	// Run is {id, startedAt, attempt, …} and Workflow {name, revision, …}.
	Run, Workflow map[string]any
	// Origin, when set, stands for trigger, run and workflow where those fields
	// are nil.
	Origin Origin
	// Settings and User are set in workflows that run for users.
	Settings, User any
	// Vars are further names: loop variables, and response and page in a
	// pagination.
	Vars map[string]any
	// Now is the time that now() returns: decided by the caller, so that a
	// replay computes the same.
	Now time.Time
	// Seed makes uuid() and random() the same at every replay of one step.
	Seed string
}

// Origin is where a run comes from. It is asked when an expression names it,
// which most do not, from any goroutine.
type Origin interface {
	Trigger() map[string]any
	Run() map[string]any
	Workflow() map[string]any
}

// Value is a compiled YAML value whose strings may hold ${{ expressions }}. A
// string that is one whole expression has the expression's value; in any other
// string the values of the expressions are written as text. It is immutable
// and safe for concurrent use. A nil *Value evaluates to null.
type Value struct {
	// Exactly one of these describes the value: literal (when none of the
	// others is set), one expression, the parts of a string, the elements of a
	// list, the fields of a map sorted by name.
	literal any
	expr    *expression
	parts   []part
	list    []*Value
	fields  []valueField
	kind    valueKind
}

type valueKind uint8

const (
	literalValue valueKind = iota
	exprValue
	textValue
	listValue
	mapValue
)

// A part of a text: literal, or an expression.
type part struct {
	text string
	expr *expression
}

type valueField struct {
	name  string
	value *Value
}

// Eval computes the value: plain JSON values, in which a time has become its
// RFC 3339 text. What it returns may share memory with the scope and with the
// Value and must not be changed. Its error is an *EvalError.
func (v *Value) Eval(s *Scope) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch v.kind {
	case exprValue:
		return v.expr.eval(s)
	case textValue:
		return v.text(s)
	case listValue:
		list := make([]any, len(v.list))
		for i, e := range v.list {
			x, err := e.Eval(s)
			if err != nil {
				return nil, err
			}
			list[i] = x
		}
		return list, nil
	case mapValue:
		m := make(map[string]any, len(v.fields))
		for _, f := range v.fields {
			x, err := f.value.Eval(s)
			if err != nil {
				return nil, err
			}
			m[f.name] = x
		}
		return m, nil
	}
	return v.literal, nil
}

// EvalBool computes a condition. null is false; any other value that is not
// true or false is an error.
func (v *Value) EvalBool(s *Scope) (bool, error) {
	x, err := v.Eval(s)
	if err != nil {
		return false, err
	}
	switch x := x.(type) {
	case bool:
		return x, nil
	case nil:
		return false, nil
	default:
		return false, v.failure(fmt.Errorf("a condition must be true or false, this is %s", typeName(x)))
	}
}

// EvalString computes the value and writes it as text, as it would stand in
// the middle of a string: null is empty, lists and objects are JSON.
func (v *Value) EvalString(s *Scope) (string, error) {
	if v == nil {
		return "", nil
	}
	x, err := v.Eval(s)
	if err != nil {
		return "", err
	}
	text, err := toText(x)
	if err != nil {
		return "", v.failure(err)
	}
	return text, nil
}

func (v *Value) text(s *Scope) (string, error) {
	var b strings.Builder
	for i := range v.parts {
		p := &v.parts[i]
		if p.expr == nil {
			b.WriteString(p.text)
			continue
		}
		x, err := p.expr.eval(s)
		if err != nil {
			return "", err
		}
		text, err := toText(x)
		if err != nil {
			return "", p.expr.failure(err)
		}
		if b.Len()+len(text) > maxText {
			return "", p.expr.failure(errTooLarge)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// failure is an EvalError at the value's first expression.
func (v *Value) failure(err error) error {
	if v.kind == exprValue {
		return v.expr.failure(err)
	}
	return &EvalError{Err: err}
}

// Field is the value of a field of a map, nil when there is none or when the
// value is not a map in the source.
func (v *Value) Field(name string) *Value {
	if v == nil {
		return nil
	}
	if v.kind == mapValue {
		i, ok := slices.BinarySearchFunc(v.fields, name, func(f valueField, name string) int { return strings.Compare(f.name, name) })
		if !ok {
			return nil
		}
		return v.fields[i].value
	}
	if m, ok := v.literal.(map[string]any); ok {
		if x, ok := m[name]; ok {
			return &Value{literal: x}
		}
	}
	return nil
}

// Names tells whether any expression of the value reads a name of the scope.
func (v *Value) Names(name string) bool {
	found := false
	v.walk(func(x *expression) { found = found || slices.Contains(x.roots, name) })
	return found
}

// Expression is the source of a value that is one whole expression.
func (v *Value) Expression() (source string, ok bool) {
	if v == nil || v.kind != exprValue {
		return "", false
	}
	return v.expr.source, true
}

// Object lists the fields of a value that is an object in the source, sorted.
func (v *Value) Object() (names []string, ok bool) {
	switch {
	case v == nil:
		return nil, false
	case v.kind == mapValue:
		for _, f := range v.fields {
			names = append(names, f.name)
		}
		return names, true
	}
	m, ok := v.literal.(map[string]any)
	return slices.Sorted(maps.Keys(m)), ok
}

// List is the number of elements of a value that is a list in the source.
func (v *Value) List() (length int, ok bool) {
	if v == nil {
		return 0, false
	}
	if v.kind == listValue {
		return len(v.list), true
	}
	list, ok := v.literal.([]any)
	return len(list), ok
}

// Item is an element of a value that is a list in the source, nil when there is
// none.
func (v *Value) Item(i int) *Value {
	if n, ok := v.List(); !ok || i < 0 || i >= n {
		return nil
	}
	if v.kind == listValue {
		return v.list[i]
	}
	return &Value{literal: v.literal.([]any)[i]}
}

// Literal is the value itself when it holds no expression. It must not be
// changed.
func (v *Value) Literal() (any, bool) {
	if v == nil {
		return nil, true
	}
	return v.literal, v.kind == literalValue
}

// Secrets names the secrets that the value's expressions use, sorted.
func (v *Value) Secrets() []string {
	found := map[string]bool{}
	v.walk(func(x *expression) {
		for _, s := range x.secrets {
			found[s] = true
		}
	})
	if len(found) == 0 {
		return nil
	}
	return slices.Sorted(maps.Keys(found))
}

// UsesSecrets tells whether any expression of the value names a secret.
func (v *Value) UsesSecrets() bool {
	uses := false
	v.walk(func(x *expression) { uses = uses || len(x.secrets) > 0 })
	return uses
}

// walk calls f for each expression of the value.
func (v *Value) walk(f func(*expression)) {
	if v == nil {
		return
	}
	if v.expr != nil {
		f(v.expr)
	}
	for _, p := range v.parts {
		if p.expr != nil {
			f(p.expr)
		}
	}
	for _, e := range v.list {
		e.walk(f)
	}
	for _, e := range v.fields {
		e.value.walk(f)
	}
}

// EvalError says which expression could not be evaluated, and why. It never
// holds a value of the scope longer than a few words.
type EvalError struct {
	// Expr is the source of the expression.
	Expr string
	// At is its place: "file:line:col", or the path of the field.
	At string
	// Err is the reason.
	Err error
}

// Error is the place, the reason and the expression.
func (e *EvalError) Error() string {
	s := e.Err.Error()
	if e.Expr != "" {
		s += " in ${{ " + shorten(strings.TrimSpace(e.Expr), 120) + " }}"
	}
	if e.At != "" {
		s = e.At + ": " + s
	}
	return s
}

// Unwrap is the reason.
func (e *EvalError) Unwrap() error { return e.Err }

// shorten cuts a text to a number of characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
