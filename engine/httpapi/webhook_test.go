package httpapi

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"paragon/engine/execution"
	"paragon/engine/store"
	"paragon/schema"
)

// hooked is a workflow with one webhook trigger.
func hooked(name, webhook, more string) string {
	return "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: " + name + "}\nspec:\n  triggers:\n    - id: hook\n      webhook: " + webhook + "\n" + more +
		"  steps:\n    - id: stop\n      fail: {message: stop}\n"
}

func secret(name, value string) string {
	return "apiVersion: paragon/v1\nkind: Secret\nmetadata: {name: " + name + "}\nspec: {value: \"" + value + "\"}\n"
}

func TestWebhook(t *testing.T) {
	r := newRig(t)
	r.apply(
		hooked("open", "{}", ""),
		hooked("signed", "{auth: {preset: {name: github, secret: HOOK}}}", ""),
		hooked("unset", "{auth: {bearer: {token: NONE}}}", ""),
		hooked("keyed", "{method: GET, auth: {apiKey: {secret: HOOK, query: key}}}", ""),
		hooked("mapped", "{body: {type: object, required: [id]}, query: {required: [v]}, headers: {required: [x-kind]}}",
			"      input: {id: \"${{ trigger.body.id }}\", v: \"${{ trigger.query.v }}\", kind: \"${{ trigger.headers['x-kind'] }}\", fixed: 1}\n"),
		secret("HOOK", "It's a Secret to Everybody"),
	)
	var got hookAccepted
	rec := r.do("", "POST", "/hooks/default/open/hook?a=1&a=2&b=x", ` {"x": [1, 2]} `, "Content-Type", "application/json", "X-Kind", "lead", "Cookie", "c=1", "Authorization", "Basic eA==")
	want(t, rec, 202, &got)
	req := r.runs.last(t)
	if req.Workflow != "open" || string(req.Input) != `{"x": [1, 2]}` || got.ID == "" {
		t.Errorf("request: %+v", req)
	}
	tr := req.Trigger
	if tr.Kind != "webhook" || tr.ID != "hook" || tr.Method != "POST" || tr.Headers["x-kind"] != "lead" || tr.Query["a"] != "2" || tr.Query["b"] != "x" || tr.Actor != "" {
		t.Errorf("trigger: %+v", tr)
	}
	if tr.Headers["authorization"] != "" || tr.Headers["cookie"] != "" {
		t.Errorf("credentials are kept: %+v", tr.Headers)
	}
	for name, tc := range map[string]struct{ ct, body, want string }{
		"form":      {"application/x-www-form-urlencoded", "a=1&b=x+y&a=2", `{"a":["1","2"],"b":"x y"}`},
		"text":      {"text/plain", "hello", `"hello"`},
		"xml":       {"application/soap+xml", "<a/>", `"\u003ca/\u003e"`},
		"json-ish":  {"application/vnd.api+json; charset=utf-8", `[1]`, `[1]`},
		"no type":   {"", `{"a":1}`, `{"a":1}`},
		"no type 2": {"", `plain`, `"plain"`},
		"no body":   {"application/json", ``, ``},
		"null":      {"application/json", `null`, ``},
	} {
		want(t, r.do("", "POST", "/hooks/default/open/hook", tc.body, "Content-Type", tc.ct), 202, nil)
		if in := string(r.runs.last(t).Input); in != tc.want {
			t.Errorf("%s: input %s, want %s", name, in, tc.want)
		}
	}
	want(t, r.do("", "POST", "/hooks/default/open/hook", "", "Idempotency-Key", "k"), 202, nil)
	if k := r.runs.last(t).IdempotencyKey; k != "hook/hook/k" {
		t.Errorf("idempotency key %q", k)
	}

	sig := "sha256=" + hex.EncodeToString(sum(t, "", "It's a Secret to Everybody", "{ }"))
	want(t, r.do("", "POST", "/hooks/default/signed/hook", "{ }", "X-Hub-Signature-256", sig), 202, nil)
	want(t, r.do("", "GET", "/hooks/default/keyed/hook?key=It%27s+a+Secret+to+Everybody&z=1", ""), 202, nil)
	if q := r.runs.last(t).Trigger.Query; q["key"] != "" || q["z"] != "1" {
		t.Errorf("the key is kept: %v", q)
	}
	want(t, r.do("", "POST", "/hooks/default/mapped/hook?v=7", `{"id":5,"more":1}`, "X-Kind", "lead"), 202, nil)
	var input map[string]any
	if err := json.Unmarshal(r.runs.last(t).Input, &input); err != nil || input["id"] != 5.0 || input["v"] != "7" || input["kind"] != "lead" || len(input) != 4 {
		t.Errorf("input: %v, %v", input, err)
	}

	n := r.runs.count()
	for name, tc := range map[string]struct {
		method, target, ct, body string
		headers                  []string
		status                   int
		text                     string
	}{
		"no project":  {target: "/hooks/none/open/hook", status: 404, text: "no webhook"},
		"no workflow": {target: "/hooks/default/none/hook", status: 404, text: "no webhook"},
		"no trigger":  {target: "/hooks/default/open/none", status: 404, text: "no webhook"},
		"method":      {method: "PUT", target: "/hooks/default/open/hook", status: 405, text: "POST"},
		"bad JSON":    {target: "/hooks/default/open/hook", ct: "application/json", body: "{", status: 400, text: "not JSON"},
		"bad form":    {target: "/hooks/default/open/hook", ct: "application/x-www-form-urlencoded", body: "%zz", status: 400, text: "form"},
		"bad text":    {target: "/hooks/default/open/hook", ct: "text/plain", body: "\xff", status: 400, text: "UTF-8"},
		"binary":      {target: "/hooks/default/open/hook", ct: "image/png", body: "x", status: 415, text: "image/png"},
		"too large":   {target: "/hooks/default/open/hook", body: strings.Repeat("x", 10_001), status: 413, text: "10000"},
		"unsigned":    {target: "/hooks/default/signed/hook", body: "{ }", status: 401, text: "missing"},
		"reformatted": {target: "/hooks/default/signed/hook", body: "{}", headers: []string{"X-Hub-Signature-256", sig}, status: 401, text: "does not fit"},
		"no secret":   {target: "/hooks/default/unset/hook", headers: []string{"Authorization", "Bearer x"}, status: 503, text: "secret is not set"},
		"wrong key":   {method: "GET", target: "/hooks/default/keyed/hook?key=x", status: 401, text: "wrong"},
		"body schema": {target: "/hooks/default/mapped/hook?v=1", body: "{}", headers: []string{"X-Kind", "a"}, status: 422, text: "schema"},
		"no query":    {target: "/hooks/default/mapped/hook", body: `{"id":1}`, headers: []string{"X-Kind", "a"}, status: 422, text: "schema"},
		"no header":   {target: "/hooks/default/mapped/hook?v=1", body: `{"id":1}`, status: 422, text: "schema"},
		"long key":    {target: "/hooks/default/open/hook", headers: []string{"Idempotency-Key", strings.Repeat("k", 300)}, status: 400, text: "255"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := r.do("", nameOr(tc.method, "POST"), tc.target, tc.body, append([]string{"Content-Type", tc.ct}, tc.headers...)...)
			p := wantProblem(t, rec, tc.status, tc.text)
			if tc.status == 401 && (p.Type != schema.ProblemSignature || rec.Header().Get("WWW-Authenticate") == "") {
				t.Errorf("%s, %v", p.Type, rec.Header())
			}
			if tc.status == 405 && rec.Header().Get("Allow") != "POST" {
				t.Errorf("allow: %v", rec.Header())
			}
		})
	}
	if r.runs.count() != n {
		t.Error("a refused request started a run")
	}
	if log := r.log.String(); strings.Contains(log, "Everybody") {
		t.Error("the log holds a secret")
	}
}

func TestWebhookResult(t *testing.T) {
	r := newRig(t)
	r.apply(hooked("answer", "{respond: result, timeout: 50ms}", ""))
	ask := func() (status int, ct, body string, h map[string][]string) {
		rec := r.do("", "POST", "/hooks/default/answer/hook", "{}")
		return rec.Code, rec.Header().Get("Content-Type"), rec.Body.String(), rec.Header()
	}
	r.runs.response = &execution.Response{Status: 201, Headers: map[string]string{"X-A": "b", "Content-Length": "99", "X-Bad": "a\r\nSet-Cookie: x", "Bad Name": "x"}, Body: json.RawMessage(`{"ok":true}`)}
	status, ct, body, h := ask()
	if status != 201 || ct != "application/json" || body != `{"ok":true}` || h["X-A"][0] != "b" || h["X-Bad"] != nil || h["Content-Length"] != nil {
		t.Errorf("%d %s %s %v", status, ct, body, h)
	}
	r.runs.response = &execution.Response{Status: 200, Headers: map[string]string{"content-type": "text/html"}, Body: json.RawMessage(`"<p>\u00e9</p>"`)}
	if status, ct, body, _ = ask(); status != 200 || ct != "text/html" || body != "<p>é</p>" {
		t.Errorf("%d %s %s", status, ct, body)
	}
	r.runs.response = &execution.Response{Status: 204}
	if status, _, body, _ = ask(); status != 204 || body != "" {
		t.Errorf("%d %s", status, body)
	}
	r.runs.response = &execution.Response{Status: 99, Body: json.RawMessage(`1`)}
	if status, _, body, _ = ask(); status != 200 || body != "1" {
		t.Errorf("%d %s", status, body)
	}
	r.runs.ended = nil // the run does not answer
	p := wantProblem(t, r.do("", "POST", "/hooks/default/answer/hook", "{}"), 504, "it goes on")
	if p.Type != schema.ProblemTimeout {
		t.Errorf("%+v", p)
	}
}

func TestWebhookWithoutRedis(t *testing.T) {
	r := newRig(t)
	r.apply(hooked("open", "{}", ""))
	r.mini.SetError("LOADING")
	want(t, r.do("", "POST", "/hooks/default/open/hook", "{}"), 202, nil)
	want(t, r.do("operator", "POST", base+"/workflows/open/runs", ""), 202, nil)
}

func FuzzApplyBody(f *testing.F) {
	f.Add("application/json", []byte(`{"files":[{"name":"a","content":"kind: X"}]}`))
	f.Add("application/yaml", []byte(workflow("a")))
	f.Add("", []byte("{"))
	f.Add("text/plain; charset=\"", []byte(nil))
	r := newRig(f)
	f.Fuzz(func(t *testing.T, ct string, body []byte) {
		before := r.count(t)
		rec := r.do("developer", "POST", base+"/apply?dryRun=true", string(body), "Content-Type", ct)
		if rec.Code >= 500 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		if rec.Code != 200 {
			wantProblem(t, rec, rec.Code, "")
		}
		if after := r.count(t); after != before {
			t.Fatalf("version went from %d to %d", before, after)
		}
	})
}

// count is the number of audit records: each change and refusal is one more.
func (r *rig) count(t testing.TB) int {
	list, err := r.config.Audit(t.Context(), store.AuditQuery{Project: "default", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
