package workflows

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFormat(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"indentation", "a:\n    b: 1\n    c:\n    -   x\n    - y\n", "a:\n  b: 1\n  c:\n    - x\n    - y\n"},
		{"comments", "# head\na: 1   # line\n# foot\n", "# head\na: 1 # line\n# foot\n"},
		{"blank lines", "a: 1\n\n\n\nb:\n\n  c: 2\n\n  d: 3\n", "a: 1\n\nb:\n\n  c: 2\n\n  d: 3\n"},
		{"blank lines in a text", "a: |\n  x\n\n\n  y\n\nb: 1\n", "a: |\n  x\n\n\n  y\n\nb: 1\n"},
		{"documents", "---\na: 1\n---\n\nb:   2\n...\n", "a: 1\n---\nb: 2\n"},
		{"flow", "a: {b: 1, c: [x,   y]}\n", "a: {b: 1, c: [x, y]}\n"},
		{"quotes", "a: 'x'\nb: \"y\"\nc: z\n", "a: 'x'\nb: \"y\"\nc: z\n"},
		{"windows", "a: 1\r\nb:  2\r\n", "a: 1\nb: 2\n"},
		{"json", `{"a": {"b": [1, "x", "true"]}}`, "a:\n  b:\n    - 1\n    - x\n    - \"true\"\n"},
		{"comment in list", "a:\n  # one\n  - 1\n\n  # two\n  - 2\n", "a:\n  # one\n  - 1\n\n  # two\n  - 2\n"},
		{"comments between documents", "a: 1\n---\n# nothing\n---\n# b\nb: 1\n...\n# end\n", "a: 1\n---\n# nothing\n# b\nb: 1\n---\n# end\n"},
		{"only comments", "# nothing\n", "# nothing\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Format([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			again, err := Format(got)
			if err != nil || string(again) != string(got) {
				t.Errorf("not idempotent (%v):\n%s\nthen\n%s", err, got, again)
			}
		})
	}
	if _, err := Format([]byte("a: [")); err == nil {
		t.Error("no error for what is not YAML")
	}
}

func TestFormatFixtures(t *testing.T) {
	files, _ := filepath.Glob("testdata/valid/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Format(data)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if _, out := parseAll(t, file, got); out != "" {
			t.Errorf("%s does not compile when formatted:\n%s", file, out)
		}
		if again, err := Format(got); err != nil || string(again) != string(got) {
			t.Errorf("%s: not idempotent (%v)", file, err)
		}
	}
}

func FuzzFormat(f *testing.F) {
	for _, s := range []string{"a: 1\n\n# x\nb: [1,\n 2]\n", "a: |\n  x\n\n  y\nb: >-\n  z\n", "- a\n-\n  - b\n", "{\"a\": \"\\ud83d\\ude00\"}", "x: 'a\n\n  b'\n", "--- # c\na: &x {b: *x}\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 4096 {
			return
		}
		one, err := Format([]byte(src))
		if err != nil {
			return
		}
		two, err := Format(one)
		if err != nil {
			t.Fatalf("formatted text is not YAML: %v\n%q\n%q", err, src, one)
		}
		if string(one) != string(two) {
			t.Fatalf("not idempotent\n%q\n%q\n%q", src, one, two)
		}
	})
}
