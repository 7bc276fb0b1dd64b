package workflows

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestCompiled(t *testing.T) {
	w := compileText(t, `
  defaults: {timeout: 5s, retry: {maxAttempts: 3}}
  concurrency: {limit: 1, key: "${{ input.account }}"}
  output: {n: "${{ steps.list.body.pages }}"}
  steps:
    - id: list
      request:
        url: https://example.com
        headers: {Authorization: "Bearer ${{ secrets.TOKEN }}"}
        auth: {basic: {username: a, password: "${{ secrets.PASSWORD }}"}}
        multipart: [{name: f, value: "${{ input.file }}", filename: a.txt, base64: true}]
        accept: [404, 5xx]
        pagination: {items: response.body.items, nextPage: {page: "${{ page + 1 }}"}, until: "${{ page > 3 }}", onError: partial}
    - id: fn
      function: {source: "return 1"}
      retry: {initialInterval: 2m}
    - id: wait
      waitFor: {event: x, if: event.data.id == input.id}
    - id: each
      forEach: {items: "${{ [1, 2] }}"}
      steps:
        - id: inner
          delay: {for: "${{ item }}s"}
    - id: pick
      if: true
      onError: continue
      switch:
        - if: input.a
          steps: [{id: x, set: {v: 1}}]
        - else: true
          steps: []
    - id: both
      parallel: {branches: {b: {steps: [{id: pb, set: {v: 1}}]}, a: {steps: [{id: pa, respond: {status: 201, body: ok}}]}}}
    - id: sub
      call: {workflow: other, input: {x: 1}}
`)
	list, fn, wait, each, pick, both := w.Step("list"), w.Step("fn"), w.Step("wait"), w.Step("each"), w.Step("pick"), w.Step("both")
	if w.Timeout != 30*24*time.Hour || w.ConcurrencyKey == nil || w.Output == nil || strings.Join(w.Secrets, " ") != "PASSWORD TOKEN" {
		t.Errorf("workflow: %v %v", w.Timeout, w.Secrets)
	}
	if list.At != "w.yaml:10:7" || list.Timeout != 5*time.Second || list.Retry.MaxAttempts != 3 || !list.Retry.On.Codes[429] || !list.Retry.On.Classes[5] || !list.Retry.On.Network || list.Retry.Jitter != "full" || list.Retry.Multiplier != 2 {
		t.Errorf("list: %s %v %+v", list.At, list.Timeout, list.Retry)
	}
	if list.Pages.MaxPages != 100 || !list.Pages.Partial || list.Pages.Items == nil || list.Pages.Until == nil || list.Pages.NextPage == nil {
		t.Errorf("pages: %+v", list.Pages)
	}
	if !Accepts(list.Spec.Request, 503) || !Accepts(list.Spec.Request, 404) || Accepts(list.Spec.Request, 400) {
		t.Error("accept")
	}
	args, err := list.Args.Eval(&Scope{Input: map[string]any{"file": "data"}, Secrets: map[string]any{"TOKEN": "t", "PASSWORD": "p"}})
	want := map[string]any{
		"url": "https://example.com", "headers": map[string]any{"Authorization": "Bearer t"},
		"auth":      map[string]any{"basic": map[string]any{"username": "a", "password": "p"}},
		"multipart": []any{map[string]any{"name": "f", "value": "data", "filename": "a.txt", "base64": true}},
	}
	if err != nil || !reflect.DeepEqual(args, want) {
		t.Errorf("args %v, %v", args, err)
	}
	next, err := list.Pages.NextPage.Eval(&Scope{Vars: map[string]any{"page": 1, "response": map[string]any{}}})
	if err != nil || !reflect.DeepEqual(next, map[string]any{"page": 2}) {
		t.Errorf("next page %v, %v", next, err)
	}
	if fn.Retry.MaxInterval != 2*time.Minute || !fn.Retry.On.Any || fn.Timeout != 5*time.Second {
		t.Errorf("fn: %+v %v", fn.Retry, fn.Timeout)
	}
	if wait.Timeout != 24*time.Hour || wait.Cond == nil || wait.Retry != nil {
		t.Errorf("wait: %+v", wait)
	}
	if len(each.Body) != 1 || each.Body[0].Parent != each || each.Args.Field("items") == nil {
		t.Errorf("each: %+v", each)
	}
	if len(pick.Branches) != 2 || pick.Branches[0].If == nil || pick.Branches[1].If != nil || !pick.ContinueOnError || pick.If == nil {
		t.Errorf("pick: %+v", pick)
	}
	if len(both.Branches) != 2 || both.Branches[0].Name != "a" || both.Branches[1].Steps[0].ID != "pb" {
		t.Errorf("both: %+v", both)
	}
	if x, _ := w.Step("pa").Args.Literal(); !reflect.DeepEqual(x, map[string]any{"status": 201, "body": "ok"}) {
		t.Errorf("respond: %v", x)
	}
	if w.Step("sub").Args.Field("input") == nil || w.Step("none") != nil {
		t.Error("call, or a step that is not there")
	}
}

// What was applied compiles to the same from its stored form, with field paths
// for places.
func TestCompileSpec(t *testing.T) {
	w, err := CompileSpec("w", json.RawMessage(`{"steps":[{"id":"a","set":{"n":12345678901234567,"f":1.5,"x":"${{ input.x.y }}"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if w.Step("a").At != "spec.steps[0]" {
		t.Errorf("at %s", w.Step("a").At)
	}
	if n, _ := w.Step("a").Args.Field("n").Literal(); n != 12345678901234567 {
		t.Errorf("n is %v", n)
	}
	_, err = w.Step("a").Args.Eval(&Scope{Input: map[string]any{}})
	if err == nil || !strings.HasPrefix(err.Error(), "spec.steps[0].set.x: can't read") {
		t.Errorf("got %v", err)
	}
	for spec, want := range map[string]string{
		`{`:                        "can't be read",
		`{"steps":[],"unknown":1}`: "unknown field",
		`{"steps":[{"id":"a"}]}`:   `spec.steps[0]: the step "a" has no kind`,
		`{"steps":[{"id":"a","set":{"x":"${{ nope }}"}}]}`: `spec.steps[0].set.x: unknown name "nope"`,
	} {
		if _, err := CompileSpec("w", json.RawMessage(spec)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

// Canonical specs are the same for sources that mean the same.
func TestCanonicalSpec(t *testing.T) {
	spec := func(src string) string {
		docs, diags := Parse(Source{Data: []byte(src)})
		if diags.HasErrors() {
			t.Fatalf("%s: %v", src, diags)
		}
		return string(docs[0].Resource.Spec)
	}
	want := `{"steps":[{"call":{"wait":false,"workflow":"x"},"id":"a","if":"true"},{"id":"b","set":{}},{"id":"c","set":{"big":12345678901234567,"s":"<é>"}}]}`
	for _, src := range []string{
		"apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  description:\n  steps:\n    - id: a\n      if: true\n      call: {workflow: x, wait: false}\n    - {set: {}, id: b}\n    - {id: c, set: {s: <é>, big: 12345678901234567}}\n",
		`{"kind": "Workflow", "apiVersion": "paragon/v1", "spec": {"steps": [{"id": "a", "if": "true", "call": {"wait": false, "workflow": "x"}}, {"id": "b", "set": {}}, {"id": "c", "set": {"s": "<\u00e9>", "big": 12345678901234567}}]}, "metadata": {"name": "w"}}`,
		"apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  steps:\n    - &base {id: a, if: true, call: {workflow: x, wait: false}}\n    - id: b\n      set: {}\n    - id: c\n      set:\n        <<: {s: <é>, big: 1}\n        big: 12345678901234567\n",
	} {
		if got := spec(src); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestSeveralDocuments(t *testing.T) {
	docs, diags := Parse(
		Source{File: "a.yaml", Data: []byte("\ufeff# first\n---\napiVersion: paragon/v1\nkind: Secret\nmetadata: {name: A}\nspec: {value: x}\n---\n# nothing\n---\napiVersion: paragon/v1\nkind: Secret\nmetadata: {name: b-c}\nspec: {valueFrom: {file: x}}\n...\n")},
		Source{File: "b.json", Data: []byte(`{"apiVersion":"paragon/v1","kind":"Secret","metadata":{"name":"D"},"spec":{"value":"\ud83d\ude00"}}`)},
		Source{File: "empty.yaml"},
	)
	if diags != nil || len(docs) != 3 {
		t.Fatalf("%d documents, %v", len(docs), diags)
	}
	if docs[0].Line != 3 || docs[1].Line != 10 || docs[1].File != "a.yaml" || docs[2].Secret.Value != "😀" {
		t.Errorf("lines %d, %d; %q", docs[0].Line, docs[1].Line, docs[2].Secret.Value)
	}
	if _, diags := Parse(Source{File: "x", Data: []byte("\xff\xfe")}); !strings.Contains(diags.Error(), "not UTF-8") {
		t.Errorf("%v", diags)
	}
}

// A Secret's value is not in any diagnostic.
func TestSecretsStayHidden(t *testing.T) {
	for _, src := range []string{
		"apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: A}\nspec: {value: 4111111111}\n",
		"apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: A}\nspec: {value: {x: 4111111111}}\n",
		"apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: A}\nspec: {value: '4111111111\n",
		"apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: A}\nspec: {vlaue: '4111111111'}\n",
		`{"apiVersion":"paragon/v1","kind":"Secret","metadata":{"name":"A"},"spec":{"value":"4111111111","value":"4111111111"}}`,
	} {
		_, diags := Parse(Source{File: "s.yaml", Data: []byte(src)})
		if !diags.HasErrors() {
			t.Errorf("no error: %s", src)
		}
		text, err := json.Marshal(diags)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "4111") {
			t.Errorf("%s", text)
		}
	}
}

func TestSchedule(t *testing.T) {
	for _, tt := range []struct{ schedule, zone, from, want string }{
		{"0 2 * * *", "", "2024-05-06T07:08:09Z", "2024-05-07T02:00:00Z"},
		{"*/10 * * * * *", "", "2024-05-06T07:08:09Z", "2024-05-06T07:08:10Z"},
		{"@daily", "Asia/Tokyo", "2024-05-06T07:08:09Z", "2024-05-06T15:00:00Z"},
		{"0 9 13 * FRI", "", "2024-05-06T07:08:09Z", "2024-05-10T09:00:00Z"}, // day of month or of week
		{"30 2 * * *", "Europe/Berlin", "2024-10-26T12:00:00Z", "2024-10-27T00:30:00Z"},
	} {
		s, err := ParseSchedule(tt.schedule, tt.zone)
		if err != nil {
			t.Errorf("%s: %v", tt.schedule, err)
			continue
		}
		from, err := time.Parse(time.RFC3339, tt.from)
		if err != nil {
			t.Fatal(err)
		}
		zone := time.UTC
		if tt.zone != "" {
			if zone, err = loadZone(tt.zone); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.Next(from.In(zone)).UTC().Format(time.RFC3339); got != tt.want {
			t.Errorf("%s in %q after %s: %s, want %s", tt.schedule, tt.zone, tt.from, got, tt.want)
		}
		if got := s.Next(from).UTC().Format(time.RFC3339); got != tt.want {
			t.Errorf("%s in %q after %s in UTC: %s, want %s", tt.schedule, tt.zone, tt.from, got, tt.want)
		}
	}
}
