package daemon_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/schema/api"
)

// apiFuzzer sends requests made from the OpenAPI document of a server.
type apiFuzzer struct {
	*apiDocument
	server, token string
	client        *http.Client
	// statuses counts the answers.
	statuses map[int]int
	// ids are of runs, keys and operations that answers told of.
	ids []string
}

func newAPIFuzzer(t testing.TB) *apiFuzzer {
	d := startDev(t, t.TempDir())
	d.apply("ok", "triggers: [{id: hook, webhook: {}}]\nsteps:\n  - {id: out, respond: {body: \"${{ input }}\"}}\n")
	d.apply("slow", "steps:\n  - {id: pause, delay: {for: 1h}}\n")
	f := &apiFuzzer{server: "http://" + d.Addr().String(), token: d.Token, statuses: map[int]int{}, ids: []string{"none"},
		client: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	t.Cleanup(f.client.CloseIdleConnections)
	f.apiDocument = readAPIDocument(t, f.server)
	return f
}

// hostile are values that somebody might send who means no good.
var hostile = []string{"", " ", "\x00", "a\x00b", "'", `"`, "%", "%00", "../..", "a/b", "-1", "0", "9223372036854775808", "1e999", "null", "true", "*",
	"ø\u202e\U0001f4a5", "\xff\xfe", strings.Repeat("x", 3000), "${{ 1/0 }}", "2026-02-30T25:61:61Z", "-1h", "99999999h"}

// words are values that mean something under a name.
var words = map[string][]string{
	"name": {"ok", "slow", "other", "lead.created"}, "workflow": {"ok", "slow"}, "project": {"default", "elsewhere"},
	"role": {"owner", "admin", "developer", "operator", "viewer"}, "email": {"a@example.org", "b@example.org"}, "trigger": {"hook"},
	"kind": {"Workflow", "Secret", "replay"}, "apiVersion": {"paragon/v1"}, "priority": {"high", "normal", "low"}, "lane": {"0", "1"},
	"wait": {"0s", "1ms", "20ms"}, "since": {"1h", "2026-01-01T00:00:00Z"}, "until": {"0s", "2026-01-01T00:00:00Z"}, "status": {"queued", "succeeded,failed"},
	"cursor": {"ok", "1"}, "window": {"5m", "1h"}, "step": {"1s", "1m"}, "revision": {"1", "2"}, "from": {"1", "out"}, "to": {"1", "r1"},
	"release": {"r1", "r2"}, "set": {"a"}, "If-Match": {`"1"`, "*"}, "If-None-Match": {"*"}, "outcome": {"done", "refused"},
	"content": {
		"apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: other}\nspec: {steps: [{id: a, set: {v: 1}}]}\n",
		"apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: other}\nspec: {steps: [{id: a, set: {v: \"${{ input.x }}\"}}]}\n",
		"apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: ok}\nspec: {value: v}\n", "kind: Nothing", "a: [", "---\n---\n",
	},
}

// text is a value for a name: mostly one that means something.
func (f *apiFuzzer) text(t *rapid.T, name string) string {
	known := words[name]
	if name == "id" || name == "cursor" {
		known = append(slices.Clone(known), f.ids...)
	}
	if len(known) > 0 && rapid.IntRange(0, 9).Draw(t, "known") > 1 {
		return rapid.SampledFrom(known).Draw(t, name)
	}
	if rapid.Bool().Draw(t, "hostile") {
		return rapid.SampledFrom(hostile).Draw(t, name)
	}
	return rapid.String().Draw(t, name)
}

// value is a value for a schema: mostly a valid one.
func (f *apiFuzzer) value(t *rapid.T, s object, name string, depth int) any {
	if ref, ok := s["$ref"].(string); ok {
		s = at(f.schemas, ref[strings.LastIndex(ref, "/")+1:])
	}
	kind, _ := s["type"].(string)
	if list, ok := s["type"].([]any); ok && len(list) > 0 {
		kind, _ = rapid.SampledFrom(list).Draw(t, "type").(string)
	}
	if kind == "" || depth > 6 || rapid.IntRange(0, 19).Draw(t, "odd") == 0 {
		kind = rapid.SampledFrom([]string{"string", "integer", "number", "boolean", "null", "list", "nest"}).Draw(t, "kind")
	}
	switch kind {
	case "object":
		return f.object(t, s, depth)
	case "array":
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			list = append(list, f.value(t, at(s, "items"), name, depth+1))
		}
		return list
	case "string":
		if s["format"] == "date-time" && rapid.Bool().Draw(t, "time") {
			return rapid.SampledFrom([]string{"2020-01-01T00:00:00Z", "2099-12-31T23:59:59.999999999+14:00"}).Draw(t, name)
		}
		return f.text(t, name)
	case "integer":
		return rapid.SampledFrom([]any{0, 1, 2, 60, -1, int64(1) << 53, json.Number("9223372036854775808")}).Draw(t, name)
	case "number":
		return rapid.SampledFrom([]any{0.5, -1e300, json.Number("1e999")}).Draw(t, name)
	case "boolean":
		return rapid.Bool().Draw(t, name)
	case "list":
		return []any{1, "a", nil, object{}}
	case "nest":
		deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
		return rapid.SampledFrom([]any{object{}, object{"a": object{"b": []any{1}}}, json.RawMessage(deep)}).Draw(t, name)
	}
	return nil
}

func (f *apiFuzzer) object(t *rapid.T, s object, depth int) object {
	out := object{}
	required, _ := s["required"].([]any)
	properties := at(s, "properties")
	for _, name := range sorted(properties) {
		often := 9
		if slices.Contains(required, any(name)) {
			often = 19
		}
		if n := rapid.IntRange(0, 19).Draw(t, "there"); n < often {
			out[name] = f.value(t, at(properties, name), name, depth+1)
		}
	}
	if more := at(s, "additionalProperties"); len(more) > 0 || rapid.IntRange(0, 19).Draw(t, "more") == 0 {
		name := f.text(t, "name")
		out[name] = f.value(t, more, name, depth+1)
	}
	return out
}

func sorted(o object) []string {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// request makes a request of one operation.
func (f *apiFuzzer) request(t *rapid.T, op *apiOperation) *http.Request {
	path, query := op.path, url.Values{}
	req := &http.Request{Method: op.method, Header: http.Header{}}
	for _, p := range op.params {
		name := p["name"].(string)
		if p["in"] != "path" && rapid.IntRange(0, 2).Draw(t, "given") > 0 {
			continue
		}
		value := "default"
		if name != "project" || rapid.IntRange(0, 9).Draw(t, "elsewhere") == 0 {
			value = f.text(t, name)
		}
		switch p["in"] {
		case "path":
			if strings.Trim(value, ".") == "" {
				value = "none" // no segment of a path
			}
			path = strings.Replace(path, "{"+name+"}", url.PathEscape(value), 1)
		case "query":
			query.Set(name, value)
		case "header":
			req.Header.Set(name, printable(value))
		}
	}
	if rapid.IntRange(0, 19).Draw(t, "unknown parameter") == 0 {
		query.Set("unknown", "1")
	}
	if rapid.IntRange(0, 19).Draw(t, "stranger") > 0 {
		req.Header.Set("Authorization", "Bearer "+f.token)
	}
	u, err := url.Parse(f.server + path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	u.RawQuery = query.Encode()
	req.URL = u
	if len(op.bodies) > 0 || rapid.IntRange(0, 19).Draw(t, "unasked body") == 0 {
		f.body(t, op, req)
	}
	return req
}

// body gives a request a body: mostly one for the schema.
func (f *apiFuzzer) body(t *rapid.T, op *apiOperation, req *http.Request) {
	media, s := api.ContentTypeJSON, object{}
	if kinds := sorted(anyOf(op.bodies)); len(kinds) > 0 {
		media = rapid.SampledFrom(kinds).Draw(t, "media")
		s = op.bodies[media]
	}
	var text []byte
	switch rapid.IntRange(0, 9).Draw(t, "body") {
	case 0:
		text = []byte(f.text(t, "content"))
	case 1:
	default:
		if media == api.ContentTypeYAML {
			text = []byte(f.text(t, "content"))
			break
		}
		v, err := json.Marshal(f.value(t, s, "", 0))
		if err != nil {
			t.Fatal(err)
		}
		text = append(v, '\n')
	}
	if rapid.IntRange(0, 9).Draw(t, "content type") == 0 {
		media = rapid.SampledFrom([]string{"", "text/plain", ";", "application/json; charset=utf-7"}).Draw(t, "media")
	}
	req.Header.Set("Content-Type", media)
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(string(text))), int64(len(text))
}

func anyOf(bodies map[string]object) object {
	out := object{}
	for media, s := range bodies {
		out[media] = s
	}
	return out
}

// printable is a value that HTTP lets into a header.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, s)
}

var idInAnswer = regexp.MustCompile(`"id":"([a-z0-9]+)"`)

// send sends a request and checks its answer.
func (f *apiFuzzer) send(t *rapid.T, op *apiOperation, req *http.Request) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	resp, err := f.client.Do(req.WithContext(ctx))
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer resp.Body.Close()
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return // it goes on until the reader leaves
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	if err := f.check(op, resp.StatusCode, resp.Header.Get("Content-Type"), body); err != nil {
		t.Fatalf("%s %s %v: %d %s\n%.2000s\n%v", req.Method, req.URL, req.Header, resp.StatusCode, resp.Header.Get("Content-Type"), body, err)
	}
	f.statuses[resp.StatusCode]++
	// The key that this test works with stays out of the list.
	if req.Method == http.MethodPost && len(f.ids) < 40 {
		if m := idInAnswer.FindSubmatch(body); m != nil {
			f.ids = append(f.ids, string(m[1]))
		}
	}
}

// session sends some requests of any operations.
func (f *apiFuzzer) session(t *rapid.T) {
	for range rapid.IntRange(1, 12).Draw(t, "requests") {
		op := &f.operations[rapid.IntRange(0, len(f.operations)-1).Draw(t, "operation")]
		f.send(t, op, f.request(t, op))
	}
}

// Whatever is sent, no answer is a fault of the server, none is missing, and
// each is as the OpenAPI document says.
func TestAPIFromItsDocument(t *testing.T) {
	t.Parallel()
	f := newAPIFuzzer(t)
	// A hundred times, each operation in turn.
	rapid.Check(t, func(t *rapid.T) {
		for i := range f.operations {
			f.send(t, &f.operations[i], f.request(t, &f.operations[i]))
		}
	})
	t.Logf("answers by status: %v", f.statuses)
	for _, status := range []int{200, 201, 202, 204, 400, 401, 404, 409, 412, 415, 422} {
		if f.statuses[status] == 0 {
			t.Errorf("no request was ever answered %d: what is sent is no good", status)
		}
	}
}

func FuzzAPIFromItsDocument(f *testing.F) {
	fuzzer := newAPIFuzzer(f)
	f.Fuzz(rapid.MakeFuzz(fuzzer.session))
}
