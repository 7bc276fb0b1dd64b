package workflows

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/valid/*", "testdata/invalid/*.yaml", "trial/testdata/*/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data))
		}
	}
	f.Add("a: &a [*a]")
	f.Add("<<: *x")
	f.Add("---\n...\n%YAML 1.1\n---\n{}")
	f.Fuzz(func(t *testing.T, src string) {
		start := time.Now()
		docs, diags := Parse(Source{File: "f.yaml", Data: []byte(src)})
		diags.Render(&strings.Builder{})
		for i := range docs {
			if docs[i].Workflow == nil {
				continue
			}
			w, more := docs[i].Compile()
			if (w == nil) != more.HasErrors() {
				t.Fatalf("workflow %v, errors %v", w != nil, more)
			}
			if w != nil {
				if _, err := CompileSpec(w.Name, docs[i].Resource.Spec); err != nil {
					t.Fatalf("the stored spec does not compile: %v\n%s", err, docs[i].Resource.Spec)
				}
			}
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Fatalf("took %s", d)
		}
	})
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", "a", "${{ a }}", "x ${{ {\"a\": '}}'} }} y", "$${{ x }}", "${{", "${{ `}}` }}${{ b }}", "${{ \"\\\"}}\" }}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pieces, err := split(s)
		if err != nil {
			return
		}
		if len(pieces) == 0 {
			t.Fatal("no pieces")
		}
		for i, p := range pieces {
			if p.expr && (p.offset < 3 || s[p.offset:p.offset+len(p.text)] != p.text || !strings.HasPrefix(s[p.offset+len(p.text):], "}}")) {
				t.Fatalf("piece %d %q is not at %d", i, p.text, p.offset)
			}
			if i > 0 && !p.expr && !pieces[i-1].expr {
				t.Fatal("two texts in a row")
			}
		}
		if !strings.Contains(s, "${{") && (len(pieces) != 1 || pieces[0].text != s) {
			t.Fatalf("%q was changed to %q", s, pieces[0].text)
		}
	})
}

func FuzzExpression(f *testing.F) {
	for _, fn := range Functions() {
		f.Add(fn.Example)
	}
	f.Add(`reduce(1..100, [#acc, #acc], "x")`)
	f.Add(`let x = input; x?.a.b[0]`)
	f.Add(`secrets.A + secrets["B"]`)
	scope := &Scope{Now: testNow, Input: map[string]any{"a": []any{1, "x", nil}, "s": "text"}, Secrets: map[string]any{"A": "a"}}
	f.Fuzz(func(t *testing.T, src string) {
		v, err := CompileExpr(src, "f")
		if err != nil {
			return
		}
		start := time.Now()
		out, err := v.Eval(scope)
		if d := time.Since(start); d > 20*time.Second {
			t.Fatalf("%q took %s", src, d)
		}
		if err != nil {
			return
		}
		budget := maxResult
		if p, err := plain(out, &budget, 0); err == nil && !same(p, out) {
			t.Fatalf("%q gave a value that is not plain: %T", src, out)
		}
	})
}
