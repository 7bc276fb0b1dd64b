// Package docs_test checks that what is written for people is true: YAML
// compiles, examples run, links lead somewhere, and flags, variables and routes
// are those of the program.
package docs_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"paragon/workflows"
)

// page is a Markdown file, named from the top of the repository.
type page struct{ name, text string }

// pages are all pages that people read.
func pages(t *testing.T) []page {
	t.Helper()
	root := os.DirFS("..")
	var out []page
	for _, top := range []string{"README.md", "CHANGELOG.md", "docs", "examples"} {
		err := fs.WalkDir(root, top, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || filepath.Ext(name) != ".md" {
				return err
			}
			text, err := fs.ReadFile(root, name)
			out = append(out, page{name, string(text)})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// A snippet is a fenced block of a page.
type snippet struct {
	page string
	line int
	text string
}

var fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// snippets are the blocks of a language.
func snippets(p page, language string) []snippet {
	var out []snippet
	for _, m := range fence.FindAllStringSubmatchIndex(p.text, -1) {
		if p.text[m[2]:m[3]] == language {
			out = append(out, snippet{p.name, 1 + strings.Count(p.text[:m[4]], "\n"), p.text[m[4]:m[5]]})
		}
	}
	return out
}

const header = "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: snippet}\nspec:\n"

// document completes a snippet: a list is steps, and what is no document is a
// spec.
func (s snippet) document(more string) string {
	text := s.text
	switch first := firstKey(text); {
	case first == "apiVersion":
		return text
	case first == "-":
		text = "steps:\n" + indent(text)
	case !regexp.MustCompile(`(?m)^steps:`).MatchString(text):
		text += "steps:\n  - {id: nothing, set: {done: true}}\n"
	}
	return header + indent(text) + more
}

func firstKey(text string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		if strings.HasPrefix(line, "- ") {
			return "-"
		}
		key, _, _ := strings.Cut(line, ":")
		return key
	}
	return ""
}

func indent(text string) string {
	return strings.ReplaceAll("  "+strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

// compile reports what is wrong with documents.
func compile(t *testing.T, name, content string) {
	t.Helper()
	docs, diags := workflows.Parse(workflows.Source{File: name, Data: []byte(content)})
	for i := range docs {
		if docs[i].Workflow != nil {
			_, more := docs[i].Compile()
			diags = append(diags, more...)
		}
	}
	if len(diags) > 0 {
		var b bytes.Buffer
		diags.Render(&b)
		t.Errorf("%s\n%s", name, b.String())
	}
}

func TestYAMLCompiles(t *testing.T) {
	n := 0
	for _, p := range pages(t) {
		for _, s := range snippets(p, "yaml") {
			n++
			compile(t, p.name, s.document(""))
		}
	}
	if n < 20 {
		t.Errorf("only %d snippets were found", n)
	}
	files, err := filepath.Glob("../examples/*/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		compile(t, f, string(text))
	}
}

// The table of comparisons, and every other expression in a table.
func TestComparisonsCompile(t *testing.T) {
	text, err := os.ReadFile("language.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "### Comparisons")
	table, _, _ := strings.Cut(rest, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| .* \\| `(.*)` \\|$").FindAllStringSubmatch(table, -1)
	if len(rows) < 25 {
		t.Fatalf("only %d comparisons were found", len(rows))
	}
	for _, row := range rows {
		if _, err := workflows.CompileExpr(strings.ReplaceAll(row[1], `\|`, "|"), "comparison"); err != nil {
			t.Errorf("%s: %v", row[1], err)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// anchors are the ids that a page's headings get.
func anchors(text string) []string {
	var out []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		id := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, m[1])
		out = append(out, id)
	}
	return out
}

func TestLinksLeadSomewhere(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(p.text, ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := p.name
			if file != "" {
				target = filepath.Join(filepath.Dir(p.name), file)
			}
			info, err := os.Stat(filepath.Join("..", target))
			if err != nil {
				t.Errorf("%s links to %s, which does not exist", p.name, m[1])
				continue
			}
			if anchor == "" || info.IsDir() {
				continue
			}
			text, err := os.ReadFile(filepath.Join("..", target))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(anchors(string(text)), anchor) {
				t.Errorf("%s links to %s: there is no such heading", p.name, m[1])
			}
		}
	}
}

// The decisions are numbered once each, and the index has all of them.
func TestDecisionsAreListed(t *testing.T) {
	files, err := filepath.Glob("decisions/[0-9]*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no decisions: %v", err)
	}
	index, err := os.ReadFile("decisions/README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, f := range files {
		name := filepath.Base(f)
		if other := seen[name[:4]]; other != "" {
			t.Errorf("%s and %s have one number", other, name)
		}
		seen[name[:4]] = name
		if !strings.Contains(string(index), "("+name+")") {
			t.Errorf("decisions/README.md does not list %s", name)
		}
	}
}
