package workflows

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// callName is the name under which the evaluation's state (time, seed, budget)
// reaches the functions. It can't be written in an expression.
const callName = "$call"

// A nameCheck walks an expression and collects what it reads: the roots of the
// scope, the secrets, the steps. It finds names that do not exist, and steps
// that can't have run.
type nameCheck struct {
	env     *environment
	vars    []string // declared by let
	roots   []string
	secrets []string
	errs    []exprError
}

// collectVariables finds the names that let declares. The checker of the
// library knows their scopes.
func (c *nameCheck) collectVariables(n ast.Node) {
	ast.Walk(&n, visitorFunc(func(n *ast.Node) {
		if v, ok := (*n).(*ast.VariableDeclaratorNode); ok {
			c.vars = append(c.vars, v.Name)
		}
	}))
}

type visitorFunc func(*ast.Node)

func (f visitorFunc) Visit(n *ast.Node) { f(n) }

func (c *nameCheck) fail(n ast.Node, code, suggestion, format string, args ...any) {
	c.errs = append(c.errs, exprError{code: code, message: fmt.Sprintf(format, args...), suggestion: suggestion, offset: n.Location().From})
}

// visit walks a node. Members are looked at with what they are members of,
// which is why this is not a Visitor of the library.
func (c *nameCheck) visit(n ast.Node) {
	switch n := n.(type) {
	case nil:
	case *ast.IdentifierNode:
		c.name(n)
	case *ast.MemberNode:
		c.member(n)
	case *ast.UnaryNode:
		c.visit(n.Node)
	case *ast.BinaryNode:
		c.visit(n.Left)
		c.visit(n.Right)
		if n.Operator == "matches" {
			c.pattern(n.Right)
		}
	case *ast.ChainNode:
		c.visit(n.Node)
	case *ast.SliceNode:
		c.visit(n.Node)
		c.visit(n.From)
		c.visit(n.To)
	case *ast.CallNode:
		if f, ok := n.Callee.(*ast.IdentifierNode); ok {
			c.function(f)
			if patternFunctions[f.Value] && len(n.Arguments) > 1 {
				c.pattern(n.Arguments[1])
			}
		} else {
			c.visit(n.Callee)
		}
		for _, a := range n.Arguments {
			c.visit(a)
		}
	case *ast.BuiltinNode:
		if n.Name == "get" && len(n.Arguments) > 0 {
			if id, ok := n.Arguments[0].(*ast.IdentifierNode); ok && id.Value == "secrets" {
				c.fail(n, "secret", "write secrets.NAME", "a secret can only be named literally")
				return
			}
		}
		for _, a := range n.Arguments {
			c.visit(a)
		}
	case *ast.PredicateNode:
		c.visit(n.Node)
	case *ast.VariableDeclaratorNode:
		c.visit(n.Value)
		c.visit(n.Expr)
	case *ast.SequenceNode:
		for _, x := range n.Nodes {
			c.visit(x)
		}
	case *ast.ConditionalNode:
		c.visit(n.Cond)
		c.visit(n.Exp1)
		c.visit(n.Exp2)
	case *ast.ArrayNode:
		for _, x := range n.Nodes {
			c.visit(x)
		}
	case *ast.MapNode:
		for _, x := range n.Pairs {
			c.visit(x)
		}
	case *ast.PairNode:
		c.visit(n.Key)
		c.visit(n.Value)
	}
}

// name checks a name on its own.
func (c *nameCheck) name(n *ast.IdentifierNode) {
	switch {
	case slices.Contains(c.vars, n.Value):
		return
	case strings.HasPrefix(n.Value, "$"): // $env would go around every other check
		c.fail(n, "unknown-name", "", "unknown name %q", n.Value)
		return
	case n.Value == "secrets" && c.env.has("secrets"):
		c.fail(n, "secret", "write secrets.NAME", "secrets can't be used as a whole")
		return
	case library.known(n.Value) && !c.env.has(n.Value):
		c.fail(n, "unknown-name", fmt.Sprintf("call it: %s(…)", n.Value), "%s is a function", n.Value)
		return
	case !c.env.has(n.Value):
		c.unknown(n)
		return
	}
	if !slices.Contains(c.roots, n.Value) {
		c.roots = append(c.roots, n.Value)
	}
}

// unknown reports a name that is not in scope, with the reason when it would
// be elsewhere.
func (c *nameCheck) unknown(n *ast.IdentifierNode) {
	if reason := c.env.absent(n.Value); reason != "" {
		c.fail(n, "unknown-name", "", "%s can't be used here: %s", n.Value, reason)
		return
	}
	if where := c.env.steps.find(n.Value); where != nil {
		c.fail(n, "unknown-name", fmt.Sprintf("did you mean steps.%s?", n.Value), "unknown name %q", n.Value)
		return
	}
	c.fail(n, "unknown-name", didYouMean(n.Value, c.env.names()), "unknown name %q", n.Value)
}

// function checks the name of a function that is called.
func (c *nameCheck) function(n *ast.IdentifierNode) {
	if library.known(n.Value) {
		return
	}
	c.fail(n, "unknown-function", didYouMean(n.Value, library.names), "unknown function %q", n.Value)
}

// patternFunctions have a regular expression as their second argument.
var patternFunctions = map[string]bool{"match": true, "findMatch": true, "replaceMatch": true}

// pattern checks a regular expression that is written out.
func (c *nameCheck) pattern(n ast.Node) {
	if s, ok := n.(*ast.StringNode); ok {
		if _, err := compilePattern(s.Value); err != nil {
			c.fail(n, "expression", "", "%s", err)
		}
	}
}

// member checks base.property and base[property].
func (c *nameCheck) member(n *ast.MemberNode) {
	property, literal := n.Property.(*ast.StringNode)
	base, _ := n.Node.(*ast.IdentifierNode)
	if base != nil && !slices.Contains(c.vars, base.Value) && c.env.has(base.Value) {
		switch base.Value {
		case "secrets":
			if !literal {
				c.fail(n, "secret", "write secrets.NAME", "a secret can only be named literally")
				c.visit(n.Property)
				return
			}
			if !secretName.MatchString(property.Value) {
				c.fail(n.Property, "secret", "", "%q can't be the name of a secret", property.Value)
				return
			}
			if !slices.Contains(c.secrets, property.Value) {
				c.secrets = append(c.secrets, property.Value)
			}
			if !slices.Contains(c.roots, "secrets") {
				c.roots = append(c.roots, "secrets")
			}
			return
		case "steps":
			if literal {
				c.step(n, property.Value)
			} else if c.env.steps != nil {
				c.fail(n, "unknown-step", "write steps.ID", "a step can only be named literally")
			}
		case "input":
			if literal {
				c.input(n, property.Value)
			}
		}
	}
	if n.Method && literal && property.Value == "Local" {
		c.fail(n.Property, "expression", `use inZone(time, "Europe/Berlin")`, "the time zone of the server is not available")
		return
	}
	c.visit(n.Node)
	c.visit(n.Property)
}

// step checks that a step exists and has run when the expression is evaluated.
func (c *nameCheck) step(n *ast.MemberNode, id string) {
	if c.env.steps == nil || c.env.steps.isVisible(id) {
		return
	}
	where := c.env.steps.find(id)
	if where == nil {
		c.fail(n.Property, "unknown-step", didYouMean(id, c.env.steps.visibleIDs()), "unknown step %q", id)
		return
	}
	c.fail(n.Property, "step-not-run", "", "step %q %s", id, c.env.steps.notRun(where, c.env.current))
}

// input warns of a property that is not declared and nearly is. JSON Schema
// lets objects have more properties than it declares, so it is no error.
func (c *nameCheck) input(n *ast.MemberNode, name string) {
	in, ok := c.env.nature.Fields["input"]
	if !ok || in.TypeData == nil || in.Strict || len(in.Fields) == 0 {
		return
	}
	if _, ok := in.Fields[name]; ok {
		return
	}
	declared := make([]string, 0, len(in.Fields))
	for k := range in.Fields {
		declared = append(declared, k)
	}
	slices.Sort(declared)
	if near := nearest(name, declared); near != "" {
		c.errs = append(c.errs, exprError{
			code: "undeclared-input", warning: true, offset: n.Property.Location().From,
			message:    fmt.Sprintf("the input's schema does not declare %q", name),
			suggestion: fmt.Sprintf("did you mean %q?", near),
		})
	}
}
