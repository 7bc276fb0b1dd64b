package workflows

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// order is a scope as a run has it after a few steps. Numbers are floats, as
// encoding/json makes them.
func orderScope() *Scope {
	return &Scope{
		Input: map[string]any{
			"email": "ada@example.com", "total": 120.5, "count": 3.0, "paid": true, "note": nil, "empty": "",
			"tags": []any{"new", "vip"}, "address": map[string]any{"city": "London"}, "nothing": []any{},
			"created": "2024-05-01T10:00:00Z",
			"items":   []any{map[string]any{"sku": "a", "n": 1.0}, map[string]any{"sku": "b", "n": 2.0}},
		},
		Steps:    map[string]any{"lookup": map[string]any{"status": 200.0, "body": map[string]any{"total": 0.0}}, "skipped": nil},
		Secrets:  map[string]any{"TOKEN": "s3cret"},
		Run:      map[string]any{"id": "r1"},
		Workflow: map[string]any{"name": "w"},
		Vars:     map[string]any{"item": map[string]any{"id": 7.0}, "item_index": 2},
		Now:      testNow, Seed: "seed",
	}
}

// The comparisons that integration platforms offer can all be written.
func TestComparisons(t *testing.T) {
	for _, tt := range []struct {
		name, expr string
		want       bool
	}{
		{"text equals", `input.email == "ada@example.com"`, true},
		{"text does not equal", `input.email != "x"`, true},
		{"text equals, any case", `equalFold(input.email, "ADA@EXAMPLE.COM")`, true},
		{"text contains", `input.email contains "@example"`, true},
		{"text does not contain", `not (input.email contains "@test")`, true},
		{"text starts with", `input.email startsWith "ada"`, true},
		{"text does not start with", `not (input.email startsWith "bob")`, true},
		{"text ends with", `input.email endsWith ".com"`, true},
		{"text does not end with", `not (input.email endsWith ".org")`, true},
		{"text matches a regular expression", `input.email matches "^[a-z]+@"`, true},
		{"text does not match", `not (input.email matches "^[0-9]")`, true},
		{"number equals", `input.count == 3`, true},
		{"number does not equal", `input.count != 4`, true},
		{"number is greater", `input.total > 100`, true},
		{"number is greater or equal", `input.total >= 120.5`, true},
		{"number is less", `input.total < 1000`, true},
		{"number is less or equal", `input.count <= 3`, true},
		{"number is between", `input.total >= 100 && input.total < 200`, true},
		{"number is even", `input.count % 2 == 0`, false},
		{"date is before", `before(input.created, now())`, true},
		{"date is after", `after(input.created, "2024-04-30")`, true},
		{"date is between", `between(input.created, "2024-05-01", "2024-06-01")`, true},
		{"date is older than", `since(input.created) > 86400`, true},
		{"bool is true", `input.paid`, true},
		{"bool is false", `not input.paid`, false},
		{"exists", `exists(input.address.city)`, true},
		{"does not exist", `not exists(input.address.street)`, true},
		{"is null", `input.note == nil`, true},
		{"missing is null", `input.missing == nil`, true},
		{"is empty", `isEmpty(input.empty) and isEmpty(input.nothing) and isEmpty(input.note)`, true},
		{"is not empty", `not isEmpty(input.tags)`, true},
		{"is one of", `input.address.city in ["London", "Paris"]`, true},
		{"is not one of", `input.address.city not in ["Rome"]`, true},
		{"list contains", `"vip" in input.tags`, true},
		{"list does not contain", `"old" not in input.tags`, true},
		{"list has a length", `len(input.items) == 2`, true},
		{"any element", `any(input.items, #.n > 1)`, true},
		{"all elements", `all(input.items, #.n > 1)`, false},
		{"object has a key", `"city" in input.address`, true},
		{"type is", `type(input.total) == "number"`, true},
		{"is a skipped step", `steps.skipped == nil`, true},
		{"field of a skipped step", `steps.skipped?.body?.total == nil`, true},
		{"null compared with text", `input.note == "x"`, false},
		{"null contains nothing", `input.note contains "x"`, false},
		{"and, or, not", `(input.paid or input.count > 5) and not isEmpty(input.email)`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := CompileExpr(tt.expr, "test")
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.EvalBool(orderScope())
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("%s = %t", tt.expr, got)
			}
		})
	}
}

func TestValueEval(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   any
		want string // JSON
	}{
		{"literal", map[string]any{"a": []any{1, "x", nil}}, `{"a":[1,"x",null]}`},
		{"whole expression keeps its type", "${{ input.count }}", `3`},
		{"spaces around count as text", " ${{ input.count }}", `" 3"`},
		{"text", "n=${{ input.count }}, ${{ input.note }}|${{ input.paid }}|${{ input.address }}", `"n=3, |true|{\"city\":\"London\"}"`},
		{"nested", map[string]any{"l": []any{"${{ input.tags }}", map[string]any{"t": "${{ input.total }}"}}}, `{"l":[["new","vip"],{"t":120.5}]}`},
		{"braces inside", `${{ {"a": {"b": "}}"}} }}`, `{"a":{"b":"}}"}}`},
		{"escaped", "$${{ input.x }} is ${{ 1 }}", `"${{ input.x }} is 1"`},
		{"time", "${{ now() }}", `"2024-05-06T07:08:09Z"`},
		{"duration", `${{ duration("90s") }}`, `"1m30s"`},
		{"time in an object", `${{ {"at": now(), "n": 1..3} }}`, `{"at":"2024-05-06T07:08:09Z","n":[1,2,3]}`},
		{"group", `${{ groupBy(input.items, #.n) }}`, `{"1":[{"sku":"a","n":1}],"2":[{"sku":"b","n":2}]}`},
		{"loop variable", "${{ item.id }}-${{ item_index }}", `"7-2"`},
		{"let", "${{ let x = input.count; x * 2 }}", `6`},
		{"pipe", `${{ input.tags | join("+") | upper() }}`, `"NEW+VIP"`},
		{"ternary", `${{ input.paid ? "yes" : "no" }}`, `"yes"`},
		{"large numbers", "${{ 1e15 }} ${{ 0.1 }} ${{ 12345678 * 1.0 }}", `"1000000000000000 0.1 12345678"`},
		{"reduce", `${{ reduce(input.items, #acc + #.n, 0) }}`, `3`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := CompileValue(tt.in, "test")
			if err != nil {
				t.Fatal(err)
			}
			got, err := v.Eval(orderScope())
			if err != nil {
				t.Fatal(err)
			}
			if !sameJSON(t, got, tt.want) {
				text, _ := toJSON(got)
				t.Errorf("got %s, want %s", text, tt.want)
			}
		})
	}
}

func TestEvalErrors(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{`steps.skipped.body`, `can't read "body" of null: write ?.body`},
		{`input.total % 2`, `% needs whole numbers`},
		{`input.count / 0`, `not a number`},
		{`lower(input.total)`, `lower: argument 1 must be text, it is a number`},
		{`input.email + input.count`, `write string(`},
		{`date("never")`, `"never" is not a time`},
		{`match("a", "(")`, `not a regular expression`},
		{`input.nothing[0]`, `index out of range`},
		{`input.note and true`, `is needed here, not null`},
		{`number("x")`, `"x" is not a number`},
		{`fromJSON("{")`, `not JSON`},
		{`input.email.upper()`, ``},
		{`now`, ``},
	} {
		t.Run(tt.expr, func(t *testing.T) {
			_, err := evalText(t, tt.expr, orderScope())
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q", err, tt.want)
			}
			var eval *EvalError
			if errors.As(err, &eval) && (eval.At != "test" || eval.Expr != tt.expr) {
				t.Errorf("the error is at %q in %q", eval.At, eval.Expr)
			}
		})
	}
}

func TestEvalBool(t *testing.T) {
	v, err := CompileExpr(`input.email`, "test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.EvalBool(orderScope()); err == nil || !strings.Contains(err.Error(), "must be true or false, this is text") {
		t.Errorf("got %v", err)
	}
	if ok, err := v.EvalBool(&Scope{Input: map[string]any{}}); ok || err != nil {
		t.Errorf("null gave %t, %v", ok, err)
	}
	var none *Value
	if x, err := none.Eval(nil); x != nil || err != nil {
		t.Errorf("nil gave %v, %v", x, err)
	}
}

// What an expression may use is bounded: none of these takes long, takes much
// memory or ends the process.
func TestHostileExpressions(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	scope := &Scope{Input: map[string]any{"big": big, "list": make([]any, 10000)}, Now: testNow}
	for _, src := range []string{
		`repeat("x", 1000000000)`,
		`map(1..1000, repeat("x", 1000000))`,
		`reduce(1..100, #acc + #acc, "xxxxxxxxxx")`,
		`reduce(1..100, [#acc, #acc], "x")`,
		`toJSON(reduce(1..60, [#acc, #acc], "x"))`,
		`reduce(1..60, {"a": #acc, "b": #acc}, 1)`,
		`let a = input.big + input.big; let b = a + a; let c = b + b; let d = c + c; let e = d + d; let f = e + e; f`,
		`1..1000000000`,
		`map(1..100000, map(1..100000, 1))`,
		`filter(1..1000000, input.big contains "y")`,
		`filter(1..1000000, sha256(input.big) == "")`,
		`map(1..1000, join(input.list, input.big))`,
		`replace(input.big, "x", input.big)`,
		`replaceMatch(input.big, "x", "` + strings.Repeat("$0", 2000) + `")`,
		`padLeft("x", 1000000000)`,
		`count(1..1000000, # in input.list)`,
		`map(1..100000, [input.big])  | map(toJSON(#)) | join("")`,
		strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000),
		strings.Repeat("[", 900) + strings.Repeat("]", 900),
		strings.Repeat("not ", 5000) + "true",
		`map(1..3000, concat(1..1000, 1..1000))`,
		`toJSON(map(1..100000, input.big))`,
		`repeat("a", 1000000) matches (repeat("(a?){1000}", 400))`,
		`repeat("a", 1000000) matches "(a?){1000}(a?){1000}(a?){1000}"`,
		`map(1..100000, "x" matches string(#))`,
	} {
		t.Run(shorten(src, 60), func(t *testing.T) {
			start := time.Now()
			out, err := evalText(t, src, scope)
			if err == nil {
				if text, ok := out.(string); ok && len(text) > maxText {
					t.Errorf("a text of %d bytes", len(text))
				}
				t.Logf("no error")
			}
			if d := time.Since(start); d > 8*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

func TestDeterminism(t *testing.T) {
	v, err := CompileValue(map[string]any{
		"a": "${{ uuid() }}", "b": "${{ [uuid(), uuid()] }}", "c": "${{ random() }}", "d": "${{ random(1000) }}",
		"k": `${{ keys(input) }}`, "v": `${{ values(input) }}`, "p": `${{ toPairs(input) }}`,
	}, "spec")
	if err != nil {
		t.Fatal(err)
	}
	eval := func(seed string) string {
		got, err := v.Eval(&Scope{Seed: seed, Now: testNow, Input: map[string]any{"z": 1, "y": 2, "x": 3, "w": 4}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := toJSON(got)
		if err != nil {
			t.Fatal(err)
		}
		m := got.(map[string]any)
		b := m["b"].([]any)
		if m["a"] == b[0] || b[0] == b[1] {
			t.Errorf("the same uuid twice: %s", text)
		}
		return text
	}
	first := eval("one")
	for range 20 {
		if again := eval("one"); again != first {
			t.Fatalf("not the same:\n%s\n%s", first, again)
		}
	}
	if eval("two") == first {
		t.Error("another seed gave the same")
	}
}

func TestUsesSecrets(t *testing.T) {
	for _, tt := range []struct {
		in   any
		want string
	}{
		{"${{ secrets.TOKEN }}", "TOKEN"},
		{"Bearer ${{ secrets.TOKEN }}", "TOKEN"},
		{map[string]any{"a": []any{"${{ secrets.B + secrets.A }}"}}, "A B"},
		{`${{ secrets["my-key"] }}`, "my-key"},
		{"${{ secrets?.OPTIONAL }}", "OPTIONAL"},
		{"${{ input.secrets }}", ""},
		{`${{ "secrets.TOKEN" }}`, ""},
		{"${{ let x = secrets.T; x }}", "T"},
		{"secrets.TOKEN", ""},
		{`${{ map(input, secrets.IN) }}`, "IN"},
	} {
		v, err := CompileValue(tt.in, "test")
		if err != nil {
			t.Errorf("%v: %v", tt.in, err)
			continue
		}
		if got := strings.Join(v.Secrets(), " "); got != tt.want || v.UsesSecrets() != (tt.want != "") {
			t.Errorf("%v uses %q, want %q", tt.in, got, tt.want)
		}
	}
	for _, src := range []string{`secrets`, `secrets[input.x]`, `get(secrets, "A")`, `$env.secrets.A`, `$env["secrets"]`, `let secrets = 1; secrets.A`, `[secrets]`, `secrets | toJSON()`} {
		v, err := CompileExpr(src, "test")
		if err != nil {
			continue
		}
		out, _ := v.Eval(orderScope())
		if text, _ := toJSON(out); strings.Contains(text, "s3cret") || len(v.Secrets()) == 0 && out != nil {
			t.Errorf("%s gave %v", src, out)
		}
	}
}

func TestField(t *testing.T) {
	v, err := CompileValue(map[string]any{"url": "https://x/${{ input.email }}", "n": 1}, "test")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := v.Field("url").EvalString(orderScope()); err != nil || s != "https://x/ada@example.com" {
		t.Errorf("url is %q, %v", s, err)
	}
	if x, ok := v.Field("n").Literal(); !ok || x != 1 {
		t.Errorf("n is %v, %t", x, ok)
	}
	if v.Field("none") != nil || v.Field("none").Field("deeper") != nil {
		t.Error("a field that is not there")
	}
	if _, ok := v.Literal(); ok {
		t.Error("a value with an expression is no literal")
	}
}

func TestToTimeAndDuration(t *testing.T) {
	for _, tt := range []struct {
		in   any
		want string
	}{
		{"2024-05-06", "2024-05-06T00:00:00Z"}, {"2024-05-06T10:00:00+02:00", "2024-05-06T10:00:00+02:00"},
		{1714979289, "2024-05-06T07:08:09Z"}, {"08:00", "2024-05-06T08:00:00Z"}, {"07:00", "2024-05-07T07:00:00Z"}, {testNow, "2024-05-06T07:08:09Z"},
	} {
		got, err := ToTime(tt.in, testNow)
		if err != nil || got.Format(time.RFC3339) != tt.want {
			t.Errorf("ToTime(%v) = %s, %v", tt.in, got, err)
		}
	}
	for _, tt := range []struct {
		in   any
		want time.Duration
	}{{"1d2h", 26 * time.Hour}, {90, 90 * time.Second}, {0.5, 500 * time.Millisecond}, {"-5m", -5 * time.Minute}, {time.Second, time.Second}} {
		got, err := ToDuration(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("ToDuration(%v) = %s, %v", tt.in, got, err)
		}
	}
	for _, bad := range []any{"x", nil, true, []any{}, 1e300} {
		if _, err := ToDuration(bad); err == nil {
			t.Errorf("ToDuration(%v) gave no error", bad)
		}
		if _, err := ToTime(bad, testNow); err == nil {
			t.Errorf("ToTime(%v) gave no error", bad)
		}
	}
}
