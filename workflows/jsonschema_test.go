package workflows

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"paragon/schema"
)

// published compiles the JSON Schema that editors use for a kind.
func published(t *testing.T, kind schema.Kind) *jsonschema.Schema {
	t.Helper()
	data, ok := schema.JSONSchema(kind)
	if !ok {
		t.Fatalf("no schema of %s", kind)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("kind.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("kind.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the language accepts the published schema accepts, and the mistakes in
// the form of a document it finds, too.
func TestPublishedSchema(t *testing.T) {
	validate := func(file string) error {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, chunk := range chunks(string(data)) {
			root, bad := parseYAML(chunk.text)
			if bad != nil {
				t.Fatalf("%s: %s", file, bad.message)
			}
			d := &decoder{doc: &Document{}}
			doc := d.free(root, rootPath, 0)
			kind := schema.KindWorkflow
			if m, ok := doc.(map[string]any); ok {
				for _, k := range schema.DocumentKinds {
					if m["kind"] == string(k) {
						kind = k
					}
				}
			}
			if err := published(t, kind).Validate(doc); err != nil {
				return err
			}
		}
		return nil
	}
	valid, _ := filepath.Glob("testdata/valid/*.yaml")
	tests, _ := filepath.Glob("trial/testdata/pass/*.yaml")
	examples, _ := filepath.Glob("../examples/tests/*.yaml")
	if len(tests) < 3 || len(examples) < 10 {
		t.Errorf("%d tests, %d examples", len(tests), len(examples))
	}
	for _, file := range slices.Concat(valid, tests, examples) {
		if err := validate(file); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, name := range []string{"unknown-field", "wrong-type", "missing-field", "kind-keys", "enums", "ranges", "name", "ids", "durations", "unknown-kind", "envelope", "test"} {
		if err := validate("testdata/invalid/" + name + ".yaml"); err == nil {
			t.Errorf("%s passes the published schema", name)
		}
	}
}

func compileText(t *testing.T, spec string) *Workflow {
	t.Helper()
	docs, diags := Parse(Source{File: "w.yaml", Data: []byte("apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: w}\nspec:\n" + spec)})
	if diags.HasErrors() || len(docs) != 1 {
		t.Fatalf("%v", diags)
	}
	w, diags := docs[0].Compile()
	if w == nil {
		t.Fatalf("%v", diags)
	}
	return w
}

func TestCheckInput(t *testing.T) {
	w := compileText(t, `
  input:
    type: object
    required: [email, account]
    additionalProperties: false
    properties:
      email: {type: string, format: email}
      account: {type: [integer, "null"], minimum: 1}
      when: {type: string, format: date-time}
      tags: {type: array, uniqueItems: true, items: {enum: [a, b]}}
      either: {oneOf: [{type: string}, {type: integer}]}
      ref: {$ref: "#/$defs/small"}
    $defs: {small: {type: string, maxLength: 3}}
  outputSchema: {type: object}
  steps: [{id: a, set: {x: 1}}]
`)
	for _, tt := range []struct {
		name  string
		input any
		want  []string
	}{
		{"good", map[string]any{"email": "a@b.co", "account": 1.0, "when": "2024-05-06T07:08:09Z", "tags": []any{"a"}, "either": 3}, nil},
		{"null where it may be", map[string]any{"email": "a@b.co", "account": nil}, nil},
		{"missing", map[string]any{}, []string{"input.email is required", "input.account is required"}},
		{"null", nil, []string{"input must be object, is null"}},
		{"format and type", map[string]any{"email": "nobody", "account": "x", "when": "today"}, []string{
			"input.account must be null or integer, is string", "input.email is not a valid email", "input.when is not a valid date-time",
		}},
		{"inside a list", map[string]any{"email": "a@b.co", "account": 1, "tags": []any{"a", "c"}}, []string{`input.tags[1] must be one of "a", "b"`}},
		{"unknown", map[string]any{"email": "a@b.co", "account": 1, "e-mail": 1}, []string{"input.e-mail is not allowed"}},
		{"alternatives", map[string]any{"email": "a@b.co", "account": 1, "either": true, "ref": "long"}, []string{"input.either fits none of the alternatives", "input.ref maxLength: got 4, want 3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := map[string]bool{}
			for _, d := range w.CheckInput(tt.input) {
				found[d.Field+" "+d.Message] = true
				if d.Severity != schema.SeverityError || d.Code != "json-schema" {
					t.Errorf("%+v", d)
				}
			}
			for _, want := range tt.want {
				if !found[want] {
					t.Errorf("not found: %s", want)
				}
				delete(found, want)
			}
			for extra := range found {
				t.Errorf("found as well: %s", extra)
			}
		})
	}
	if d := w.CheckOutput("text"); len(d) != 1 || d[0].Field != "output" {
		t.Errorf("%+v", d)
	}
	if d := compileText(t, "  steps: [{id: a, set: {x: 1}}]\n").CheckInput("anything"); d != nil {
		t.Errorf("without a schema: %+v", d)
	}
}

func TestCheckRequest(t *testing.T) {
	w := compileText(t, `
  triggers:
    - id: hook
      webhook:
        auth: {bearer: {token: HOOK}}
        headers: {required: [x-kind]}
        query: {properties: {n: {pattern: "^[0-9]+$"}}}
        body: {type: object}
  steps: [{id: a, set: {x: 1}}]
`)
	h := w.Triggers["hook"]
	if d := h.CheckRequest(map[string]string{"x-kind": "a"}, map[string]string{"n": "1"}, map[string]any{}); d != nil {
		t.Errorf("%+v", d)
	}
	d := h.CheckRequest(nil, map[string]string{"n": "x"}, "text")
	if len(d) != 3 || d[0].Field != "headers.x-kind" || d[1].Field != "query.n" || d[2].Field != "body" {
		t.Errorf("%+v", d)
	}
	if len(w.Secrets) != 1 || w.Secrets[0] != "HOOK" {
		t.Errorf("secrets %v", w.Secrets)
	}
}
