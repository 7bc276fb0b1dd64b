package function

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// Hostile code ends at its limits, and the next call is served.
func TestHostileCode(t *testing.T) {
	s := sandbox(t)
	const any = Kind("")
	for name, tc := range map[string]struct {
		source string
		kind   Kind
	}{
		"endless loop":             {"while (true);", KindTimeout},
		"loop that catches":        {"for (;;) try { while (true); } catch {}", KindTimeout},
		"loop in finally":          {"try { while (true); } finally { while (true); }", KindTimeout},
		"endless jobs":             {"const f = () => { Promise.resolve().then(f) }; f(); await new Promise(() => {})", KindTimeout},
		"endless chain":            {"const f = () => Promise.resolve().then(f); await f()", any},
		"endless await":            {"for (;;) await null", KindTimeout},
		"endless generator":        {"function* g() { for (;;) yield 1 } for (const x of g());", KindTimeout},
		"loop in toJSON":           {"return {toJSON() { while (true); }}", KindTimeout},
		"loop in error's getter":   {"const e = new Error(); Object.defineProperty(e, 'stack', {get() { while (true); }}); throw e", KindTimeout},
		"loop in toString":         {"console.log({toJSON() { while (true); }})", KindTimeout},
		"loop in sort":             {"Array.from({length: 9}, (_, i) => i).sort(() => { while (true); })", KindTimeout},
		"regexp bomb":              {"return /^(a+)+$/.test('a'.repeat(60) + 'b')", KindTimeout},
		"regexp bomb with replace": {"return 'a'.repeat(60).replace(/(a*)*b/g, '')", KindTimeout},
		"native loop, array-like":  {"return Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)", KindTimeout},
		"native loop, sparse":      {"const a = []; a.length = 4294967295; return a.includes(1)", KindTimeout},
		"native loop, search":      {"return ('a'.repeat(4e6)).indexOf('a'.repeat(2e6) + 'b')", KindTimeout},
		"native loop, reverse":     {"return Array.prototype.reverse.call({length: 2 ** 53 - 1})", KindTimeout},
		"native loop, proxy":       {"return Array.prototype.includes.call(new Proxy({length: 1e15}, {}), 1)", KindTimeout},
		"strings":                  {"let s = 'x'; while (true) s += s", any},
		"many strings":             {"const a = []; while (true) a.push('x'.repeat(1e5) + a.length)", KindMemory},
		"arrays":                   {"const a = []; while (true) a.push(new Array(1000).fill(1))", KindMemory},
		"one array":                {"return new Array(1e9).fill(1)", KindMemory},
		"objects":                  {"let o = {}; while (true) o = {o}", KindMemory},
		"typed array":              {"return new Uint8Array(1e9).length", KindMemory},
		"array buffers":            {"const a = []; while (true) a.push(new ArrayBuffer(1e6))", KindMemory},
		"map":                      {"const m = new Map(); for (let i = 0; ; i++) m.set(i, i)", KindMemory},
		"closures":                 {"let f = () => 1; while (true) { const g = f; f = () => g }", KindMemory},
		"repeat":                   {"return 'x'.repeat(2 ** 29)", any},
		"padStart":                 {"return ''.padStart(2 ** 29)", any},
		"join":                     {"return Array(2 ** 28).join('ab')", any},
		"big numbers":              {"let n = 2n; while (true) n *= n", any},
		"big power":                {"return String(7n ** 300000n).length", any},
		"memory that is caught":    {"const a = []; for (;;) try { a.push(new ArrayBuffer(1e6)) } catch {}", KindTimeout},
		"large result":             {"return Array(100).fill('x'.repeat(1e6))", KindMemory},
		"recursion":                {"(function f() { f() })()", KindException},
		"recursion that catches":   {"(function f() { try { f() } catch { f() } })()", any},
		"recursion, getters":       {"const o = {get x() { return o.x }}; return o.x", KindException},
		"recursion, toString":      {"const o = {toString() { return '' + o }}; return '' + o", KindException},
		"recursion, proxy":         {"let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x", any},
		"recursion, bind":          {"let f = () => 1; for (let i = 0; i < 1e5; i++) f = f.bind(null); return f()", any},
		"recursion, prototype":     {"let o = {}; for (let i = 0; i < 1e5; i++) o = Object.create(o); return o.x ?? 1", any},
		"nested JSON":              {"return JSON.parse('['.repeat(1e6))", any},
		"nested result":            {"let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a", any},
		"nested result that fits":  {"let a = []; for (let i = 0; i < 3e3; i++) a = [a]; return a", any},
		"nested flat":              {"let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a.flat(Infinity).length", any},
		"nested join":              {"let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return String(a)", any},
		"nested regexp":            {"return new RegExp('(?:'.repeat(1e5) + ')'.repeat(1e5)).test('a')", any},
		"nested eval":              {"return eval('('.repeat(1e5) + ')'.repeat(1e5))", any},
		"nested Function":          {"return new Function('return ' + '-'.repeat(1e5) + '1')()", any},
		"long freeing":             {"let o = null; for (let i = 0; i < 2e5; i++) o = {o}; return 1", any},
		"apply with many":          {"return Math.max(...Array(1e6).fill(1))", any},
		"string raw":               {"return String.raw({raw: {length: 2 ** 53 - 1}})", any},
		"array from":               {"return Array.from({length: 1e9}).length", any},
		"huge sort":                {"return Array.from({length: 3e5}, (_, i) => -i).sort((a, b) => a - b)[0]", any},
		"colliding keys":           {"const o = {}; for (let i = 0; i < 1e6; i++) o['k' + i] = i; return 1", any},
		"import":                   {"return await import('fs')", KindException},
		"import std":               {"return await import('std')", KindException},
		"host with nonsense":       {"return hmac({}, [], null)", KindException},
		"normalize":                {"return 'ﷺ'.repeat(1e6).normalize('NFKD').length", any},
		"prototype poison":         {"Object.defineProperty(Object.prototype, 'then', {get() { while (true); }}); return {}", KindTimeout},
	} {
		if raced && len(name)%6 != 0 {
			continue // a sample will do
		}
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			limits := Limits{Timeout: 300 * time.Millisecond}
			if tc.kind == KindMemory || tc.kind == KindException {
				limits = Limits{Timeout: 20 * time.Second, MemoryMiB: 16} // slow machines fill memory slowly
			}
			_, err := call(t, s, tc.source, Args{}, limits)
			if took := time.Since(started); took > 15*time.Second && !raced {
				t.Errorf("took %s", took)
			}
			var e *Error
			if err != nil && !errors.As(err, &e) {
				t.Fatalf("%v", err)
			}
			switch {
			case tc.kind != any && (e == nil || e.Kind != tc.kind):
				t.Errorf("got %v, want %s", err, tc.kind)
			case e != nil && e.Kind == KindWorker:
				t.Errorf("the worker process broke: %v", err)
			}
			r, err := call(t, s, "return input", Args{Input: json.RawMessage("7")}, Limits{Timeout: 5 * time.Second})
			if err != nil || string(r.Value) != "7" {
				t.Errorf("the call after: %v", err)
			}
		})
	}
}

// Input from outside is as hostile as a source.
func TestHostileInput(t *testing.T) {
	s := sandbox(t)
	deep := strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000)
	for name, input := range map[string]string{
		"nested":    deep,
		"broken":    `{"a":`,
		"too large": `"` + strings.Repeat("a", 40<<20) + `"`,
		"large":     `"` + strings.Repeat("a", 12<<20) + `"`,
		"proto":     `{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := call(t, s, "return ({}).x ?? 1", Args{Input: json.RawMessage(input)}, Limits{Timeout: 3 * time.Second})
			var e *Error
			if err != nil && (!errors.As(err, &e) || e.Kind == KindWorker) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestMemoryLimitFollowsTheStep(t *testing.T) {
	s := sandbox(t)
	const source = "const a = new Uint8Array(input * 1048576); a.fill(7); return a.length"
	for _, tc := range []struct {
		limit, size int
		fits        bool
	}{{0, 16, true}, {0, 40, false}, {8, 10, false}, {128, 100, true}, {256, 200, true}, {100_000, 300, false}} {
		in, _ := json.Marshal(tc.size)
		_, err := call(t, s, source, Args{Input: in}, Limits{MemoryMiB: tc.limit, Timeout: 10 * time.Second})
		var e *Error
		if tc.fits && err != nil || !tc.fits && (!errors.As(err, &e) || e.Kind != KindMemory) {
			t.Errorf("%d MiB in a limit of %d: %v", tc.size, tc.limit, err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"return 1", "}); (() => {", "`${", "/[/", "a?.b ?? `x${1}`", "class A { static { } }"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		p, err := Compile(source)
		if (p == nil) == (err == nil) {
			t.Errorf("%v and %v", p, err)
		}
	})
}

func FuzzFrames(f *testing.F) {
	b, _ := encodeTask(task{seed: "s", bytecode: []byte("b"), input: []byte("null")})
	f.Add(b[4:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if x, err := decodeTask(b); err == nil {
			if again, err := encodeTask(x); err != nil || len(again)-4 > len(b) {
				t.Errorf("%d bytes became %d", len(b), len(again)-4)
			}
		}
		_, _, _ = decodeAnswer(b)
	})
}
