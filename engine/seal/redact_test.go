package seal

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRedactString(t *testing.T) {
	const secret = `p@ss/w"rd+<é>&x`
	r := NewRedactor(secret, "tok-1234567890", "abc")
	quoted, _ := json.Marshal(secret)
	for name, text := range map[string]string{
		"plain":         "a " + secret + " b",
		"base64":        "a " + base64.StdEncoding.EncodeToString([]byte(secret)) + " b",
		"base64 raw":    "a " + base64.RawStdEncoding.EncodeToString([]byte(secret)) + " b",
		"base64 url":    "a " + base64.URLEncoding.EncodeToString([]byte(secret)) + " b",
		"hex":           "a " + hex.EncodeToString([]byte(secret)) + " b",
		"HEX":           "a " + strings.ToUpper(hex.EncodeToString([]byte(secret))) + " b",
		"query":         "a " + url.QueryEscape(secret) + " b",
		"query lower":   "a " + strings.ToLower(url.QueryEscape(secret)) + " b",
		"path":          "a " + url.PathEscape(secret) + " b",
		"JSON":          "a " + string(quoted[1:len(quoted)-1]) + " b",
		"twice in line": "a " + secret + secret + " b",
	} {
		got := r.String(text)
		if !strings.HasPrefix(got, "a ***") || !strings.HasSuffix(got, " b") || r.Contains(got) {
			t.Errorf("%s: %q became %q", name, text, got)
		}
		if !r.Contains(text) || !r.ContainsBytes([]byte(text)) {
			t.Errorf("%s: not found in %q", name, text)
		}
	}
	if got := r.String("abc is too short"); got != "abc is too short" {
		t.Errorf("a short secret was redacted: %q", got)
	}
	for user := range 4 {
		basic := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("u", user) + ":tok-1234567890"))
		if got := r.String("Basic " + basic); !strings.Contains(got, "***") || r.Contains(got) {
			t.Errorf("basic authentication with a user of %d: %q", user, got)
		}
	}
}

func TestRedactOverlap(t *testing.T) {
	r := NewRedactor("abcdef", "defghi", "bcde")
	if got := r.String("xabcdefghiy"); got != "x***y" {
		t.Errorf("got %q: an end of a secret is left over", got)
	}
}

func TestRedactNil(t *testing.T) {
	r := NewRedactor("", "abc")
	if r != nil {
		t.Fatal("there is nothing to redact")
	}
	if r.String("x") != "x" || string(r.JSON([]byte(`"x"`))) != `"x"` || r.Contains("x") {
		t.Error("a nil redactor changes something")
	}
}

func TestRedactJSON(t *testing.T) {
	r := NewRedactor("12345678", `a"b\c`, "true!", "naïve")
	for in, want := range map[string]string{
		`{"n": 12345678}`:                       `{"n": "***"}`,
		`{"n": 912345678.5e3, "m": 1}`:          `{"n": "***", "m": 1}`,
		`{"s": "x12345678y"}`:                   `{"s": "x***y"}`,
		`{"12345678": [true, null]}`:            `{"***": [true, null]}`,
		`["a\"b\\c", "a\u0022b\u005cc", "\n"]`:  `["***", "***", "\n"]`,
		`["na\u00efve", "naïve", "\u006eaïve"]`: `["***", "***", "***"]`,
		`not json 12345678 "`:                   `not json *** "`,
		`{"plain": "nothing \u0041 here"}`:      `{"plain": "nothing \u0041 here"}`,
	} {
		if got := string(r.JSON([]byte(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

// However a secret gets into a document, it does not come out, and what was
// JSON stays JSON.
func TestRedactJSONProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringN(4, 30, -1).Draw(t, "secret")
		before, after := rapid.String().Draw(t, "before"), rapid.String().Draw(t, "after")
		doc, err := json.Marshal(map[string]any{"a": before + secret + after, "b": []any{secret, 1.5, nil, before}})
		if err != nil {
			t.Fatal(err)
		}
		r := NewRedactor(secret)
		if r == nil {
			return
		}
		out := r.JSON(doc)
		var v struct {
			A string
			B []any
		}
		if err := json.Unmarshal(out, &v); err != nil {
			t.Fatalf("%s is not JSON: %v", out, err)
		}
		// Marshalling replaces invalid UTF-8, and a replacement is no secret.
		if clean := strings.ToValidUTF8(secret, "\ufffd"); clean == secret && (strings.Contains(strings.ReplaceAll(v.A, "***", ""), secret) && !strings.Contains("***", secret)) {
			t.Fatalf("%q is in %q", secret, v.A)
		}
	})
}

func FuzzRedactJSON(f *testing.F) {
	f.Add("hunter22", []byte(`{"a":"hunter22","b":["\u0068unter22",22]}`))
	f.Add(`"},{"`, []byte(`[{"a":"},{"}]`))
	f.Fuzz(func(t *testing.T, secret string, doc []byte) {
		r := NewRedactor(secret)
		out := r.JSON(doc)
		if json.Valid(doc) && !json.Valid(out) {
			t.Fatalf("%s became %s", doc, out)
		}
	})
}

func BenchmarkRedactNone(b *testing.B) {
	text := []byte(`{"items":[` + strings.TrimSuffix(strings.Repeat(`{"id":"4711","name":"some name","score":17.5},`, 20), ",") + `]}`)
	for name, r := range map[string]*Redactor{"without secrets": nil, "with ten": NewRedactor("aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb",
		"cccccccccccccccccccc", "dddddddddddddddddddd", "eeeeeeeeeeeeeeeeeeee", "ffffffffffffffffffff", "gggggggggggggggggggg",
		"hhhhhhhhhhhhhhhhhhhh", "iiiiiiiiiiiiiiiiiiii", "jjjjjjjjjjjjjjjjjjjj")} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				r.JSON(text)
			}
		})
	}
}
