package workflows

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A rule is what some place of the source reports: a code, and a message with
// verbs in it.
type rule struct {
	code, message, at string
}

// rulesOfSource finds what the package can report: the calls of the functions that
// report, and the findings that are written out.
func rulesOfSource(t *testing.T) []rule {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var rules []rule
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				f, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || !slices.Contains([]string{"fail", "warn", "report", "reportAt"}, f.Sel.Name) {
					return true
				}
				r := rule{at: set.Position(n.Pos()).String()}
				for _, arg := range n.Args {
					if text, ok := literal(arg); ok {
						r.code = text // the first text
						break
					}
				}
				r.message = messageOf(n, r.code)
				if r.code != "" {
					rules = append(rules, r)
				}
			case *ast.CompositeLit:
				r := rule{at: set.Position(n.Pos()).String()}
				for _, e := range n.Elts {
					kv, ok := e.(*ast.KeyValueExpr)
					if !ok {
						continue
					}
					key, _ := kv.Key.(*ast.Ident)
					if key == nil {
						continue
					}
					switch strings.ToLower(key.Name) {
					case "code":
						r.code, _ = literal(kv.Value)
					case "message":
						r.message, _ = formatOf(kv.Value)
					}
				}
				if r.code != "" {
					rules = append(rules, r)
				}
			}
			return true
		})
	}
	return rules
}

// messageOf is the format of a reporting call: the first text after the suggestion,
// which is the argument behind the code.
func messageOf(call *ast.CallExpr, code string) string {
	for i, arg := range call.Args {
		if text, ok := literal(arg); ok && text == code && i+2 < len(call.Args) {
			message, _ := formatOf(call.Args[i+2])
			return message
		}
	}
	return ""
}

// formatOf is a text that is written out, or the format that it is made with.
func formatOf(e ast.Expr) (string, bool) {
	if call, ok := e.(*ast.CallExpr); ok && len(call.Args) > 0 {
		return literal(call.Args[0])
	}
	return literal(e)
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// withoutFixture are the messages that no file of a sensible size shows, and why.
var withoutFixture = map[string]string{
	"the document is larger than %d MiB":     "TestTooLarge",
	"the file is larger than %d MiB":         "TestTooLarge",
	"the expression is longer than %d bytes": "TestTooLarge",
	"the spec can't be written as JSON: %s":  "a backstop: what was decoded can be written",
	"the expression can't be compiled: %v":   "a backstop: a panic of the library",
	"a %s can't be compiled":                 "TestTooLarge: a mistake of the caller",
}

var verbs = regexp.MustCompile(`%[+#]?[a-z]`)

// Every code has a fixture, and so has every message that a code can come with.
func TestEachRuleHasAFixture(t *testing.T) {
	golden, err := filepath.Glob("testdata/invalid/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range golden {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	shown := all.String()
	codes := map[string]bool{}
	sources, err := filepath.Glob("testdata/invalid/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range sources {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		docs, diags := Parse(Source{File: file, Data: data})
		for i := range docs {
			_, more := docs[i].Compile()
			diags = append(diags, more...)
		}
		for _, d := range diags {
			codes[d.Code] = true
		}
	}
	rules := rulesOfSource(t)
	if len(rules) < 50 {
		t.Fatalf("%d rules were found: did the functions that report change their names?", len(rules))
	}
	for _, r := range rules {
		if !codes[r.code] && r.code != "too-large" {
			t.Errorf("%s: nothing in testdata/invalid breaks the rule %q", r.at, r.code)
		}
		if withoutFixture[r.message] != "" {
			continue
		}
		parts := verbs.Split(r.message, -1)
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		if pattern := strings.Join(parts, `.*`); !regexp.MustCompile(pattern).MatchString(shown) {
			t.Errorf("%s: nothing in testdata/invalid shows %q (%s)", r.at, r.message, r.code)
		}
	}
}

// What is too large for a fixture.
func TestTooLarge(t *testing.T) {
	large := strings.Repeat("x", maxDocument)
	head := "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  steps:\n    - id: a\n      set: {x: "
	if _, diags := Parse(Source{File: "f", Data: []byte(head + large + "}\n")}); len(diags) != 1 || diags[0].Code != "too-large" {
		t.Errorf("a document: %d findings", len(diags))
	}
	docs, diags := Parse(Source{File: "f", Data: []byte(head + "\"${{ '" + large[:maxExpression] + "' }}\"}\n")})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if _, diags := docs[0].Compile(); len(diags) != 1 || diags[0].Code != "too-large" {
		t.Errorf("an expression: %d findings", len(diags))
	}
	_, err := Format([]byte(strings.Repeat("# comment\n", 1+maxSource/10)))
	if diags := Diagnostics(nil); !errors.As(err, &diags) || diags[0].Code != "too-large" {
		t.Errorf("a file to format: %v", err)
	}
	docs, diags = Parse(Source{File: "f", Data: []byte("apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: A}\nspec: {value: x}\n")})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if w, diags := docs[0].Compile(); w != nil || len(diags) != 1 || diags[0].Code != "unknown-kind" {
		t.Errorf("a Secret as a workflow: %v", diags)
	}
}
