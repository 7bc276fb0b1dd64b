package workflows

import (
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker/nature"
)

// A guard rewrites the tree of a checked expression before it is compiled:
//
//   - it forgets the static types, which a null or an older result would belie;
//   - it gives each function of the library the evaluation's state;
//   - it replaces the operators that can make much out of little, or that take
//     long on large operands, by functions that count, and % by one that also
//     takes whole numbers that JSON decoding made floats.
type guard struct {
	names *nameCheck
	used  bool
}

// Visit implements ast.Visitor.
func (g *guard) Visit(n *ast.Node) {
	(*n).SetNature(nature.Nature{})
	switch x := (*n).(type) {
	case *ast.CallNode:
		if f, ok := x.Callee.(*ast.IdentifierNode); ok && library.open[f.Value] != nil {
			x.Arguments = append(x.Arguments, g.state(x))
		}
	case *ast.BinaryNode:
		name := ""
		switch x.Operator {
		case "+":
			if !isNumber(x.Left) && !isNumber(x.Right) {
				name = "$add"
			}
		case "%":
			name = "$mod"
		case "contains":
			name = "$contains"
		case "matches":
			name = "$matches"
		case "in":
			if _, ok := x.Right.(*ast.ArrayNode); !ok {
				name = "$in"
			}
		}
		if name != "" {
			callee := &ast.IdentifierNode{Value: name}
			callee.SetLocation(x.Location())
			ast.Patch(n, &ast.CallNode{Callee: callee, Arguments: []ast.Node{x.Left, x.Right, g.state(x)}})
		}
	}
}

// state is the hidden argument.
func (g *guard) state(at ast.Node) ast.Node {
	g.used = true
	id := &ast.IdentifierNode{Value: callName}
	id.SetLocation(at.Location())
	return id
}

// isNumber tells whether a node is a literal number.
func isNumber(n ast.Node) bool {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return true
	}
	return false
}
