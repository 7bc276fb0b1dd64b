package workflows

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkEval(b *testing.B) {
	scope := orderScope()
	for _, bm := range []struct{ name, src string }{
		{"field", `input.email`},
		{"comparison", `steps.lookup.body.total > 0`},
		{"two conditions", `input.total > 100 && input.email == "ada@example.com"`},
		{"function", `lower(input.email)`},
		{"filter", `filter(input.items, #.n > 1)`},
	} {
		b.Run(bm.name, func(b *testing.B) {
			v, err := CompileExpr(bm.src, "bench")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Eval(scope); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("template", func(b *testing.B) {
		v, err := CompileValue(map[string]any{"url": "https://example.com/${{ input.email }}", "n": "${{ input.count }}"}, "bench")
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Eval(scope); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// largeWorkflow has a number of steps with two expressions each.
func largeWorkflow(steps int) []byte {
	var b strings.Builder
	b.WriteString("apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: large}\nspec:\n  input: {type: object, properties: {email: {type: string}}}\n  steps:\n")
	for i := range steps {
		fmt.Fprintf(&b, "    - id: s%d\n", i)
		if i == 0 {
			b.WriteString("      set: {total: 1}\n")
			continue
		}
		fmt.Fprintf(&b, "      if: ${{ steps.s%d != nil }}\n      request:\n        method: POST\n        url: https://example.com/items\n        body: {email: \"${{ input.email }}\", n: %d}\n", i-1, i)
	}
	return []byte(b.String())
}

func BenchmarkParseAndCompile(b *testing.B) {
	src := Source{File: "large.yaml", Data: largeWorkflow(500)}
	b.SetBytes(int64(len(src.Data)))
	b.ReportAllocs()
	for b.Loop() {
		docs, diags := Parse(src)
		if diags.HasErrors() {
			b.Fatal(diags)
		}
		if _, diags := docs[0].Compile(); diags.HasErrors() {
			b.Fatal(diags)
		}
	}
}

func BenchmarkCompileSpec(b *testing.B) {
	docs, diags := Parse(Source{Data: largeWorkflow(500)})
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	for b.Loop() {
		if _, err := CompileSpec("large", docs[0].Resource.Spec); err != nil {
			b.Fatal(err)
		}
	}
}
