package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// constants are the numbers that a room's sources name, with their expressions.
type constants map[string]ast.Expr

// constantsOf reads the constants of the package in a directory.
func constantsOf(dir string) (constants, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("%s has no sources: %w", dir, err)
	}
	out := constants{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, spec := range group.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					if i < len(v.Values) {
						out[name.Name] = v.Values[i]
					}
				}
			}
		}
	}
	return out, nil
}

// times are the units of package time, in nanoseconds.
var times = map[string]int64{"Nanosecond": 1, "Microsecond": 1e3, "Millisecond": 1e6, "Second": 1e9, "Minute": 60e9, "Hour": 3600e9}

// value is what an expression comes to.
func (c constants) value(e ast.Expr) (int64, error) {
	switch e := e.(type) {
	case *ast.BasicLit:
		return strconv.ParseInt(e.Value, 0, 64)
	case *ast.ParenExpr:
		return c.value(e.X)
	case *ast.CallExpr: // a conversion
		if len(e.Args) == 1 {
			return c.value(e.Args[0])
		}
	case *ast.Ident:
		if of, ok := c[e.Name]; ok {
			return c.value(of)
		}
	case *ast.SelectorExpr:
		if from, ok := e.X.(*ast.Ident); ok && from.Name == "time" && times[e.Sel.Name] > 0 {
			return times[e.Sel.Name], nil
		}
	case *ast.BinaryExpr:
		x, err := c.value(e.X)
		if err != nil {
			return 0, err
		}
		y, err := c.value(e.Y)
		if err != nil {
			return 0, err
		}
		switch e.Op {
		case token.ADD:
			return x + y, nil
		case token.SUB:
			return x - y, nil
		case token.MUL:
			return x * y, nil
		case token.SHL:
			return x << y, nil
		}
	}
	return 0, fmt.Errorf("%T is no number that can be read", e)
}

// bounding are the names of constants that bound something.
func bounding(name string) bool {
	for _, prefix := range []string{"max", "most", "longest", "largest"} {
		if rest, ok := strings.CutPrefix(strings.ToLower(name[:1])+name[1:], prefix); ok && (rest == "" || rest[0] >= 'A' && rest[0] <= 'Z') {
			return true
		}
	}
	return false
}

// bounds are all constants of the house's rooms that bound something, by room
// and name, as in workflows.maxDepth.
func bounds(root string) ([]string, error) {
	var out []string
	for _, top := range []string{"schema", "workflows", "engine"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.IsDir() {
				return err
			}
			room, err := filepath.Rel(root, path)
			if err != nil || slices.Contains([]string{"engine/bench", "engine/chaos", "engine/servicetest", "engine/store/storetest"}, room) || e.Name() == "testdata" {
				return err
			}
			if sources, err := filepath.Glob(filepath.Join(path, "*.go")); err != nil || len(sources) == 0 {
				return err
			}
			all, err := constantsOf(path)
			for _, name := range slices.Sorted(maps.Keys(all)) {
				if _, wrong := all.value(all[name]); wrong == nil && bounding(name) {
					out = append(out, room+"."+name)
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// root is the top of the repository, seen from docs/gen and from the folder of
// whoever runs it by go generate.
func root() string {
	for _, dir := range []string{"../..", ".."} {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	return "."
}
