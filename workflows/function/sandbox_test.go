package function

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)

func sandbox(t testing.TB) *Sandbox {
	t.Helper()
	s := NewSandbox(2)
	t.Cleanup(s.Close)
	return s
}

func call(t testing.TB, s *Sandbox, source string, args Args, limits Limits) (*Result, error) {
	t.Helper()
	p, err := Compile(source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	if args.Now.IsZero() {
		args.Now = now
	}
	if limits.Timeout == 0 {
		limits.Timeout = 10 * time.Second // the machine may be busy
	}
	return s.Call(context.Background(), p, args, limits)
}

func TestResults(t *testing.T) {
	s := sandbox(t)
	args := Args{Input: json.RawMessage(`{"email":"a@b.c","n":[1,2,3]}`), Steps: json.RawMessage(`{"get":{"status":200}}`), Settings: json.RawMessage(`{"x":true}`), Seed: "s"}
	for source, want := range map[string]string{
		"return {score: input.email.length}":             `{"score":5}`,
		"return input.n.map(x => x * 2)":                 `[2,4,6]`,
		"return steps.get.status + (settings.x ? 1 : 0)": `201`,
		"return null":        `null`,
		"":                   `null`,
		"return undefined":   `null`,
		"return 'ü😀\\u2028'": "\"ü😀\u2028\"",
		"return NaN":         `null`,
		"return {a: undefined, b: () => 1, c: 1}":                                             `{"c":1}`,
		"return new Date(0)":                                                                  `"1970-01-01T00:00:00.000Z"`,
		"const {n = []} = input; return n?.at(-1) ?? 0":                                       `3`,
		"return await Promise.all([1, Promise.resolve(2)])":                                   `[1,2]`,
		"let s = 0; for await (const x of [1,2]) s += x; return s":                            `3`,
		"class A { #p = 1; static s = 2; get p() { return this.#p } } return new A().p + A.s": `3`,
		"return Object.groupBy([1,2,3], x => x % 2 ? 'odd' : 'even')":                         `{"odd":[1,3],"even":[2]}`,
		"return String(2n ** 64n)":                                                            `"18446744073709551616"`,
		"return 'aXbX'.replaceAll('X', '-') // the end":                                       `"a-b-"`,
		"return /(?<y>\\d{4})/u.exec('in 2026').groups.y":                                     `"2026"`,
		"return JSON.stringify(arguments.length)":                                             `"3"`,
		"return this === undefined":                                                           `true`,
		"try { null.x } catch (e) { return e.name }":                                          `"TypeError"`,
		"return [typeof fetch, typeof require, typeof process, typeof setTimeout, typeof XMLHttpRequest, typeof std, typeof os, typeof __host, typeof Atomics].join()": `"` + strings.Repeat("undefined,", 8) + `undefined"`,
	} {
		r, err := call(t, s, source, args, Limits{})
		if err != nil {
			t.Errorf("%s: %v", source, err)
		} else if string(r.Value) != want {
			t.Errorf("%s: %s, want %s", source, r.Value, want)
		}
	}
}

func TestHelpers(t *testing.T) {
	s := sandbox(t)
	for source, want := range map[string]string{
		"return toBase64('a?>')":                                                         `"YT8+"`,
		"return toBase64URL('a?>')":                                                      `"YT8-"`,
		"return fromBase64('YT8-')":                                                      `"a?>"`,
		"return toBase64(new Uint8Array([255, 0, 128]))":                                 `"/wCA"`,
		"return fromBase64(toBase64('ü😀'))":                                              `"ü😀"`,
		"return toHex('AB') + fromHex('4142')":                                           `"4142AB"`,
		"return sha256('a').slice(0, 8)":                                                 `"ca978112"`,
		"return sha512('a').slice(0, 8)":                                                 `"1f40fc92"`,
		"return sha1('a').slice(0, 8)":                                                   `"86f7e437"`,
		"return md5('a').slice(0, 8)":                                                    `"0cc175b9"`,
		"return hmac('sha256', 'key', 'text').slice(0, 8)":                               `"6afa9046"`,
		"return hmac('sha1', 'key', 'text', 'base64').length":                            `28`,
		"return formatDate(0, 'date')":                                                   `"1970-01-01"`,
		"return formatDate('2026-07-01T12:00:00Z', '2006-01-02 15:04', 'Europe/Berlin')": `"2026-07-01 14:00"`,
		"return uuid().length":                                                           `36`,
		"try { fromBase64('%') } catch (e) { return e.message }":                         `"fromBase64: the text is not base64"`,
		"try { hmac('md5', 'a', 'b') } catch (e) { return e instanceof Error }":          `true`,
		"try { sha256(5) } catch (e) { return e.name }":                                  `"TypeError"`,
	} {
		r, err := call(t, s, source, Args{}, Limits{})
		if err != nil {
			t.Errorf("%s: %v", source, err)
		} else if string(r.Value) != want {
			t.Errorf("%s: %s, want %s", source, r.Value, want)
		}
	}
}

func TestTimeAndChanceAreGiven(t *testing.T) {
	s := sandbox(t)
	for source, want := range map[string]string{
		"return new Date().toISOString()":                                                   `"2026-03-04T05:06:07.008Z"`,
		"return Date.now() - new Date().getTime()":                                          `0`,
		"const a = Date.now(); for (let i = 0; i < 1e5; i++); return Date.now() - a":        `0`,
		"return new Date().getTimezoneOffset()":                                             `0`,
		"return new Date(2026, 6, 1, 12).toISOString()":                                     `"2026-07-01T12:00:00.000Z"`,
		"return new Date('2026-07-01T12:00').getHours()":                                    `12`,
		"return Date().slice(0, 15)":                                                        `"Wed Mar 04 2026"`,
		"return new Date().constructor === Date && new Date() instanceof Date && Date.name": `"Date"`,
		"class D extends Date {} return new D().getFullYear()":                              `2026`,
		"return new (new Date(5).constructor)().getTime() === Date.now()":                   `true`,
		"return Date.UTC(2026, 0) + Date.parse('2026-01-01T00:00:00Z')":                     `3534451200000`,
	} {
		r, err := call(t, s, source, Args{}, Limits{})
		if err != nil {
			t.Errorf("%s: %v", source, err)
		} else if string(r.Value) != want {
			t.Errorf("%s: %s, want %s", source, r.Value, want)
		}
	}
	const chance = "const r = []; for (let i = 0; i < 1000; i++) { const x = Math.random(); if (!(x >= 0 && x < 1)) throw x; r.push(x) } return [r, uuid(), uuid()]"
	values := map[string]bool{}
	for _, seed := range []string{"a", "a", "b", ""} {
		r, err := call(t, s, chance, Args{Seed: seed}, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		values[string(r.Value)] = true
	}
	if len(values) != 3 {
		t.Errorf("%d different outcomes of three seeds", len(values))
	}
}

func TestErrors(t *testing.T) {
	s := sandbox(t)
	for _, tc := range []struct {
		source  string
		kind    Kind
		name    string
		message string
		line    int
	}{
		{"throw new TypeError('no')", KindException, "TypeError", "no", 1},
		{"\n\n  const x = null;\n  return x.y", KindException, "TypeError", "cannot read property 'y' of null", 4},
		{"function f() {\n  throw new Error('deep')\n}\nf()", KindException, "Error", "deep", 2},
		{"await null;\nthrow new RangeError('later')", KindException, "RangeError", "later", 2},
		{"throw 'text'", KindException, "", "threw text", 0},
		{"throw {code: 7}", KindException, "", `threw {"code":7}`, 0},
		{"throw null", KindMemory, "", "threw null", 0},
		{"throw Symbol('x')", KindException, "", "threw a symbol", 0},
		{"return nothere", KindException, "ReferenceError", "'nothere' is not defined", 1},
		{"undeclared = 1", KindException, "ReferenceError", "'undeclared' is not defined", 1},
		{"return\nsha256()", KindException, "", "", -1},
		{"await new Promise(() => {})", KindException, "", "waits for a promise", 0},
		{"const a = []; a.push(a); return a", KindResult, "", "circular", -1},
		{"return 10n", KindResult, "", "BigInt", -1},
		{"return () => 1", KindResult, "", "returned a function", 0},
		{"return Symbol('x')", KindResult, "", "returned a symbol", 0},
		{"return {get x() { throw new Error('trap') }}", KindResult, "", "trap", 1},
		{"throw {toString() { throw 1 }, toJSON() { throw 2 }}", KindException, "", "threw ?", 0},
		{"const e = new Error('x'); Object.defineProperty(e, 'message', {get() { throw 1 }}); throw e", KindException, "Error", "", -1},
	} {
		_, err := call(t, s, tc.source, Args{}, Limits{})
		var e *Error
		if tc.source == "return\nsha256()" {
			if err != nil {
				t.Errorf("%q: %v", tc.source, err)
			}
			continue
		}
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", tc.source, err)
			continue
		}
		if e.Kind != tc.kind || e.Name != tc.name || !strings.Contains(e.Message, tc.message) || tc.line >= 0 && e.Line != tc.line {
			t.Errorf("%q: kind %s, name %q, message %q, line %d", tc.source, e.Kind, e.Name, e.Message, e.Line)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for source, line := range map[string]int{
		"return (":                               1,
		"let a = 1;\nlet a = 2;":                 2,
		"\n\n  return }":                         3,
		"} ; hostile(); {":                       1,
		"}); hostile(); (function () {":          1,
		"}, function () {":                       1,
		"} function g() {":                       1,
		"}]; [function () {":                     1,
		"/*":                                     1,
		"return `":                               1,
		"return '":                               1,
		"import x from 'y'":                      1,
		"with (input) { return 1 }":              1,
		"return /(/":                             1,
		strings.Repeat("(", 100_000):             1,
		strings.Repeat("[", 100_000):             1,
		"return " + strings.Repeat("a?", 50_000): 1,
		"\x00":                                   0,
	} {
		_, err := Compile(source)
		var e *Error
		if !errors.As(err, &e) || e.Kind != KindSyntax || e.Line != line {
			t.Errorf("%.40q: %v (line %d, want %d)", source, err, e.Line, line)
		}
	}
	if _, err := Compile(strings.Repeat(" ", MaxSource+1)); err == nil {
		t.Error("a source that is too long compiles")
	}
}

func TestConsole(t *testing.T) {
	s := sandbox(t)
	r, err := call(t, s, "console.log('a', 1, {b: [2]}, undefined, new Error('x')); console.warn(); return 1", Args{}, Limits{})
	if err != nil || len(r.Log) != 2 || r.Log[0] != `a 1 {"b":[2]} undefined Error: x` {
		t.Errorf("%q %v", r.Log, err)
	}
	r, err = call(t, s, "for (let i = 0; i < 300; i++) console.log('x'.repeat(5000)); return 1", Args{}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, line := range r.Log {
		size += len(line)
	}
	if size > 20_000 || len(r.Log) > 101 || r.Log[len(r.Log)-1] != "(further output was dropped)" {
		t.Errorf("%d lines, %d bytes", len(r.Log), size)
	}
	_, err = call(t, s, "console.log('before'); throw 1", Args{}, Limits{})
	var e *Error
	if !errors.As(err, &e) || len(e.Log) != 1 || e.Log[0] != "before" {
		t.Errorf("%v", err)
	}
}

func TestNothingLeaksFromCallToCall(t *testing.T) {
	s := NewSandbox(1)
	defer s.Close()
	leak := `globalThis.leaked = 1; Array.prototype.leaked = 1; Object.prototype.leaked = 1; Math.random = () => 4;
		JSON.stringify = () => '"mine"'; Promise.prototype.then = () => {}; String.prototype.slice = null; return 1`
	look := `return [typeof globalThis.leaked, [].leaked, ({}).leaked, Math.random() === 4, JSON.stringify(1), 'ab'.slice(1)]`
	for range 3 {
		if _, err := call(t, s, leak, Args{}, Limits{}); err != nil {
			t.Fatal(err)
		}
		r, err := call(t, s, look, Args{}, Limits{})
		if err != nil || string(r.Value) != `["undefined",null,null,false,"1","b"]` {
			t.Fatalf("%s %v", r.Value, err)
		}
	}
}

func TestConcurrentCalls(t *testing.T) {
	s := sandbox(t)
	p, err := Compile("return input * 2")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 25 {
				in, _ := json.Marshal(i*100 + n)
				want, _ := json.Marshal((i*100 + n) * 2)
				r, err := s.Call(context.Background(), p, Args{Input: in, Now: now}, Limits{Timeout: 10 * time.Second})
				if err != nil || string(r.Value) != string(want) {
					t.Errorf("%s: %v", in, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestCancelAndClose(t *testing.T) {
	s := NewSandbox(1)
	p, err := Compile("while (true);")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	started := make(chan struct{})
	done := make(chan error)
	go func() {
		close(started)
		_, err := s.Call(ctx, p, Args{Now: now}, Limits{Timeout: time.Minute})
		done <- err
	}()
	<-started
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	s.Close()
	s.Close()
	if _, err := s.Call(context.Background(), p, Args{}, Limits{}); err == nil {
		t.Error("a closed sandbox takes a call")
	}
}

func TestAProcessThatDiedWhileIdleIsReplaced(t *testing.T) {
	s := NewSandbox(1)
	defer s.Close()
	for range 2 {
		if r, err := call(t, s, "return 1", Args{}, Limits{}); err != nil || string(r.Value) != "1" {
			t.Fatal(err)
		}
		if err := s.idle[0].cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
}
