package workflows

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
)

// Function describes one function of the expression language: the table that
// the reference is written from.
type Function struct {
	// Name is what expressions call.
	Name string `json:"name"`
	// Group is the chapter: text, number, time, list, object, encoding, value.
	Group string `json:"group"`
	// Signature shows the parameters, optional ones with a question mark.
	Signature string `json:"signature"`
	// Doc is one sentence.
	Doc string `json:"doc"`
	// Example is an expression and Result the JSON of its value.
	Example string `json:"example"`
	Result  string `json:"result"`

	types []reflect.Type
	run   func(c *call, args []any) (any, error)
}

// Functions lists the functions of the expression language, by group and in
// the order of the reference.
func Functions() []Function { return slices.Clone(functions) }

// functions is the table. Functions without a run of their own are those of
// the expression library.
var functions = slices.Concat(textFunctions, numberFunctions, timeFunctions, listFunctions, objectFunctions, encodingFunctions, valueFunctions)

// library holds the table in the forms that compilation needs.
var library = newFunctionLibrary()

type functionLibrary struct {
	// typed has the signatures and is only checked against; open has the code.
	typed, open conf.FunctionsTable
	// builtins are the functions of the expression library that are part of
	// the language; disabled those that are not.
	builtins conf.FunctionsTable
	disabled map[string]bool
	names    []string
}

func newFunctionLibrary() *functionLibrary {
	l := &functionLibrary{
		typed: conf.FunctionsTable{}, open: conf.FunctionsTable{},
		builtins: conf.FunctionsTable{}, disabled: map[string]bool{},
	}
	for i := range functions {
		f := &functions[i]
		l.names = append(l.names, f.Name)
		if f.run == nil {
			continue
		}
		l.typed[f.Name] = &builtin.Function{Name: f.Name, Func: uncompiled, Types: f.types}
		l.open[f.Name] = &builtin.Function{Name: f.Name, Func: withCall(f.Name, f.run)}
	}
	for name, run := range operators {
		l.open[name] = &builtin.Function{Name: name, Func: withCall("", run)}
	}
	slices.Sort(l.names)
	for _, b := range builtin.Builtins {
		if l.typed[b.Name] == nil && slices.Contains(l.names, b.Name) {
			l.builtins[b.Name] = b
		} else {
			l.disabled[b.Name] = true
		}
	}
	return l
}

func (l *functionLibrary) known(name string) bool {
	_, ok := slices.BinarySearch(l.names, name)
	return ok
}

// uncompiled stands in the table that is only checked against.
func uncompiled(...any) (any, error) {
	return nil, fmt.Errorf("the function was not compiled")
}

// withCall makes a function of the library of one of ours: the last argument
// is the state of the evaluation, which guard puts there. The work of reading
// the arguments is charged here, that of writing the result by text.
func withCall(name string, run func(*call, []any) (any, error)) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		c, ok := args[len(args)-1].(*call)
		if !ok {
			return nil, fmt.Errorf("%s: no evaluation state", name)
		}
		args = args[:len(args)-1]
		work := 0
		for _, a := range args {
			work += size(a)
		}
		if err := c.charge(work); err != nil {
			return nil, err
		}
		out, err := run(c, args)
		if err == nil {
			err = c.charge(size(out))
		}
		if err != nil {
			if name != "" && err != errTooMuch && err != errTooLarge {
				err = fmt.Errorf("%s: %w", name, err)
			}
			return nil, err
		}
		return out, nil
	}
}

// size is about how many bytes a function has to look at, not counting what is
// inside elements.
func size(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		return 16 * len(v)
	case map[string]any:
		return 32 * len(v)
	}
	return 16
}

// sig makes the type of a function from a nil pointer to one: sig((*func(string) string)(nil)).
func sig(pointers ...any) []reflect.Type {
	types := make([]reflect.Type, len(pointers))
	for i, p := range pointers {
		types[i] = reflect.TypeOf(p).Elem()
	}
	return types
}

// operators are the functions behind the operators that guard replaces.
var operators = map[string]func(*call, []any) (any, error){
	"$add":      add,
	"$mod":      modulo,
	"$contains": func(_ *call, a []any) (any, error) { return textContains(a[0], a[1]) },
	"$matches":  textMatches,
	"$in":       func(c *call, a []any) (any, error) { return contained(c, a[0], a[1]) },
}

// wholeNumber takes an integer, also one that JSON made a float.
func wholeNumber(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case int64:
		return int(v), true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) <= 1<<53 {
			return int(v), true
		}
	}
	return 0, false
}

// number takes any number.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// The arguments of a function, by position.

func textArg(args []any, i int) (string, error) {
	if i >= len(args) {
		return "", fmt.Errorf("argument %d is missing", i+1)
	}
	s, ok := args[i].(string)
	if !ok {
		return "", fmt.Errorf("argument %d must be text, it is %s", i+1, typeName(args[i]))
	}
	return s, nil
}

func textArgs(args []any, n int) ([]string, error) {
	out := make([]string, n)
	for i := range out {
		s, err := textArg(args, i)
		if err != nil {
			return nil, err
		}
		out[i] = s
	}
	return out, nil
}

func wholeArg(args []any, i int) (int, error) {
	if i >= len(args) {
		return 0, fmt.Errorf("argument %d is missing", i+1)
	}
	n, ok := wholeNumber(args[i])
	if !ok {
		return 0, fmt.Errorf("argument %d must be a whole number, it is %s", i+1, typeName(args[i]))
	}
	return n, nil
}

func listArg(args []any, i int) ([]any, error) {
	if i >= len(args) {
		return nil, fmt.Errorf("argument %d is missing", i+1)
	}
	switch v := args[i].(type) {
	case []any:
		return v, nil
	case nil:
	default:
		if p, err := toPlain(v); err == nil {
			if l, ok := p.([]any); ok {
				return l, nil
			}
		}
	}
	return nil, fmt.Errorf("argument %d must be a list, it is %s", i+1, typeName(args[i]))
}

func mapArg(args []any, i int) (map[string]any, error) {
	if i >= len(args) {
		return nil, fmt.Errorf("argument %d is missing", i+1)
	}
	switch v := args[i].(type) {
	case map[string]any:
		return v, nil
	case nil:
	default:
		if p, err := toPlain(v); err == nil {
			if m, ok := p.(map[string]any); ok {
				return m, nil
			}
		}
	}
	return nil, fmt.Errorf("argument %d must be an object, it is %s", i+1, typeName(args[i]))
}
