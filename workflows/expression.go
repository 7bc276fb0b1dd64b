package workflows

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/checker/nature"
	bytecode "github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// maxNodes bounds the syntax tree of one expression, maxExpression its length
// in bytes.
const (
	maxNodes      = 2000
	maxExpression = 64 << 10
)

// An expression is one compiled expression.
type expression struct {
	source  string
	program *vm.Program
	// at is the place for people, field the place in the spec, which does not
	// depend on where the source came from.
	at, field string
	// roots are the names of the scope that it reads.
	roots []string
	// secrets are the secrets that it names.
	secrets []string
	// plain says that its result is always a plain value, taken as it is from
	// the scope.
	plain bool
	// counts says that it calls a function that needs the evaluation's state.
	counts bool
}

// exprError is what is wrong with an expression.
type exprError struct {
	code, message, suggestion string
	// offset is where, in runes from the beginning of the expression.
	offset int
	// warning says that it may still run.
	warning bool
}

// checking is held while an expression is checked: the checker completes the
// types of the function library in place, and all compilers share that.
var checking sync.Mutex

// An exprCompiler compiles expressions one after the other. It is not safe for
// concurrent use.
type exprCompiler struct {
	// typed checks with all that is known of the types; open compiles without
	// them, because a value may be null where its schema has a type, and
	// because stored results may come from another revision.
	typed, open conf.Config
}

func newExprCompiler() *exprCompiler {
	c := &exprCompiler{}
	c.typed = conf.Config{
		Strict: true, ExpectAny: true, ShortCircuit: true, MaxNodes: maxNodes,
		Functions: library.typed, Builtins: library.builtins, Disabled: library.disabled,
	}
	c.open = c.typed
	c.open.Strict = false
	c.open.Functions = library.open
	c.open.Env = mapNature(nil, false)
	return c
}

// compile checks and compiles one expression against an environment. It
// returns the expression unless an error (not a warning) was found, and the
// static type of its result.
func (c *exprCompiler) compile(source string, env *environment) (_ *expression, result nature.Nature, errs []exprError) {
	defer func() {
		if r := recover(); r != nil {
			errs = append(errs, exprError{code: "expression", message: fmt.Sprintf("the expression can't be compiled: %v", r)})
		}
	}()
	if strings.TrimSpace(source) == "" {
		return nil, result, []exprError{{code: "expression", message: "the expression is empty"}}
	}
	if len(source) > maxExpression {
		return nil, result, []exprError{{code: "too-large", message: fmt.Sprintf("the expression is longer than %d bytes", maxExpression)}}
	}
	checking.Lock()
	defer checking.Unlock()
	c.typed.Env, c.typed.Strict = env.nature, !env.open
	tree, err := parser.ParseWithConfig(source, &c.typed)
	if err != nil {
		return nil, result, []exprError{asExprError(err)}
	}
	names := &nameCheck{env: env}
	names.collectVariables(tree.Node)
	names.visit(tree.Node)
	if failed(names.errs) {
		return nil, result, names.errs
	}
	if _, err := new(checker.Checker).Check(tree, &c.typed); err != nil {
		e := asExprError(err)
		if field, ok := strings.CutPrefix(e.message, "unknown field "); ok {
			e.code, e.message = "unknown-field", fmt.Sprintf("unknown field %q", field)
			e.suggestion = didYouMean(field, fieldsAt(tree.Node, e.offset))
		}
		return nil, result, append(names.errs, e)
	}
	result = *tree.Node.Nature()

	x := &expression{source: source, secrets: names.secrets, plain: plainResult(tree.Node)}
	guard := &guard{names: names}
	ast.Walk(&tree.Node, guard)
	x.counts = guard.used
	x.roots = names.roots
	if x.counts {
		x.roots = append(x.roots, callName)
	}
	if _, err := new(checker.Checker).Check(tree, &c.open); err != nil {
		return nil, result, append(names.errs, asExprError(err))
	}
	if x.program, err = bytecode.Compile(tree, &c.open); err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		return nil, result, append(names.errs, exprError{code: "expression", message: humanize(message)})
	}
	return x, result, names.errs
}

// failed tells whether one of the findings is an error.
func failed(errs []exprError) bool {
	for _, e := range errs {
		if !e.warning {
			return true
		}
	}
	return false
}

// asExprError takes the message and the place of the library's error.
func asExprError(err error) exprError {
	var fe *file.Error
	if errors.As(err, &fe) {
		return exprError{code: "expression", message: humanize(fe.Message), offset: fe.From}
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	return exprError{code: "expression", message: humanize(message)}
}

// typeWords replaces the names of Go types in messages by those of JSON.
var typeWords = strings.NewReplacer(
	"map[string]interface {}", "object",
	"map[interface {}][]interface {}", "object",
	"[]interface {}", "list",
	"[]string", "list",
	"[]int", "list",
	"interface {}", "any value",
	"float64", "number",
	"int64", "number",
	"time.Time", "time",
	"time.Duration", "duration",
	"*time.Location", "time zone",
	"<nil>", "null",
)

// humanize rewrites a message of the expression library for people who write
// YAML, not Go.
func humanize(s string) string {
	s = strings.TrimPrefix(s, "runtime error: ")
	if rest, ok := strings.CutPrefix(s, "cannot fetch "); ok {
		if name, ok := strings.CutSuffix(rest, " from <nil>"); ok {
			return fmt.Sprintf("can't read %q of null: write ?.%s where the value in front may be missing", name, name)
		}
	}
	if rest, ok := strings.CutPrefix(s, "interface conversion: interface {} is "); ok {
		if got, want, ok := strings.Cut(rest, ", not "); ok {
			return fmt.Sprintf("a %s is needed here, not %s", word(want), word(got))
		}
	}
	if s == "memory budget exceeded" {
		return "the expression uses too much memory"
	}
	if strings.HasPrefix(s, "unexpected token EOF") {
		return "the expression ends too early"
	}
	s = unexpectedToken.ReplaceAllString(s, `unexpected $1`)
	s = goTypes.ReplaceAllStringFunc(typeWords.Replace(s), func(m string) string {
		head, goType, _ := strings.Cut(m, " ")
		return head + " " + word(goType)
	})
	return strings.TrimSpace(s)
}

var (
	// unexpectedToken is how the parser names a token: Operator("*").
	unexpectedToken = regexp.MustCompile(`unexpected token \w+\(("(?:[^"\\]|\\.)*")\)`)
	// goTypes are the names of types in messages of the checker.
	goTypes = regexp.MustCompile(`\b(?:types?|and|got|use|from) (?:string|int|bool|nil)\b`)
)

// fieldsAt are the names of the fields of what is accessed at an offset.
func fieldsAt(root ast.Node, offset int) []string {
	var fields []string
	ast.Walk(&root, visitorFunc(func(n *ast.Node) {
		if m, ok := (*n).(*ast.MemberNode); ok && m.Property.Location().From == offset {
			if base := m.Node.Nature(); base.TypeData != nil {
				fields = slices.Sorted(maps.Keys(base.Fields))
			}
		}
	}))
	return fields
}

// word is the name of a Go type for people.
func word(goType string) string {
	switch goType {
	case "nil":
		return "null"
	case "bool":
		return "true or false"
	case "int", "float64":
		return "number"
	case "string":
		return "text"
	}
	return typeWords.Replace(goType)
}

// plainResult tells whether an expression only picks a value out of the scope,
// so that its result needs no conversion.
func plainResult(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IdentifierNode, *ast.StringNode, *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.NilNode:
		return true
	case *ast.ChainNode:
		return plainResult(n.Node)
	case *ast.MemberNode:
		return plainResult(n.Node) && plainResult(n.Property)
	case *ast.UnaryNode:
		return n.Operator == "not" || n.Operator == "!"
	case *ast.BinaryNode:
		switch n.Operator {
		case "==", "!=", "<", ">", "<=", ">=", "and", "or", "&&", "||", "in", "contains", "startsWith", "endsWith", "matches":
			return true
		}
	}
	return false
}
