package httpapi

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"paragon/schema"
	"paragon/schema/api"
)

func TestApplyBodies(t *testing.T) {
	r := newRig(t)
	var res api.ApplyResult
	want(t, r.do("developer", "POST", base+"/apply?dryRun=true", workflow("one"), "Content-Type", "application/yaml"), 200, &res)
	if !res.DryRun || !res.Changed || res.Items[0].Action != api.ActionCreate {
		t.Errorf("dry run: %+v", res)
	}
	for name, tc := range map[string]struct{ ct, body string }{
		"yaml": {"application/yaml", workflow("one")}, "no type": {"", workflow("two")}, "text": {"text/plain; charset=utf-8", workflow("three")},
		"a JSON document": {"application/json", `{"apiVersion":"paragon/v1","kind":"Workflow","metadata":{"name":"four"},"spec":{"steps":[{"id":"a","fail":{"message":"x"}}]}}`},
		"request":         {"application/json", `{"set":"s","files":[{"name":"f.yaml","content":` + quote(workflow("five")) + `}]}`},
	} {
		rec := r.do("developer", "POST", base+"/apply", tc.body, "Content-Type", tc.ct)
		want(t, rec, 200, &res)
		if len(res.Items) != 1 || res.Items[0].Action != api.ActionCreate {
			t.Errorf("%s: %+v", name, res)
		}
	}
	p := wantProblem(t, r.do("developer", "POST", base+"/apply?file=my.yaml", "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: x}\nspec: {stepz: []}\n"), 422, "")
	if len(p.Errors) == 0 || p.Errors[0].File != "my.yaml" || p.Errors[0].Line == 0 {
		t.Errorf("findings: %+v", p.Errors)
	}
	for name, tc := range map[string]struct {
		target, ct, body string
		status           int
	}{
		"unknown field":     {"", "application/json", `{"filez":[]}`, 400},
		"not JSON":          {"", "application/json", `{"files":`, 400},
		"wrong type":        {"", "application/json", `{"files":{}}`, 400},
		"nothing":           {"", "application/json", `{"files":[]}`, 422},
		"empty":             {"", "", ``, 422},
		"bad type":          {"", "////", `x`, 415},
		"bad flag":          {"?dryRun=maybe", "", workflow("x"), 400},
		"unknown parameter": {"?dryrun=true", "", workflow("x"), 400},
		"prune without set": {"?prune=true", "", workflow("x"), 422},
	} {
		rec := r.do("developer", "POST", base+"/apply"+tc.target, tc.body, "Content-Type", tc.ct)
		if rec.Code != tc.status {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
			continue
		}
		wantProblem(t, rec, tc.status, "")
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func TestResources(t *testing.T) {
	r := newRig(t)
	one := base + "/workflows/one"
	wantProblem(t, r.do("viewer", "GET", one, ""), 404, "workflow/one")
	rec := r.do("developer", "PUT", one, workflow("one"), "If-None-Match", "*")
	want(t, rec, 201, nil)
	if rec.Header().Get("ETag") != `"1"` || rec.Header().Get("Location") != one {
		t.Errorf("headers: %v", rec.Header())
	}
	wantProblem(t, r.do("developer", "PUT", one, workflow("one"), "If-None-Match", "*"), 412, "exists already")
	rec = r.do("developer", "PUT", one, strings.Replace(workflow("one"), "message: stop", `message: "${{ secrets.NOPE }}"`, 1), "If-Match", `"1"`)
	want(t, rec, 200, nil)
	if rec.Header().Get("ETag") != `"2"` || !strings.Contains(rec.Header().Get("Warning"), "NOPE") {
		t.Errorf("headers: %v", rec.Header())
	}
	rec = r.do("developer", "PUT", one, workflow("one"), "If-Match", `"1"`)
	wantProblem(t, rec, 412, "developer changed it")
	if rec.Header().Get("ETag") != "" {
		t.Error("a problem has an ETag")
	}
	for _, bad := range []string{"x", `"0"`, "W/", "-1"} {
		wantProblem(t, r.do("developer", "PUT", one, workflow("one"), "If-Match", bad), 400, "If-Match")
	}
	var got api.StoredResource
	rec = r.do("viewer", "GET", one+"?revision=1", "")
	want(t, rec, 200, &got)
	if got.Status.Revision != 1 || rec.Header().Get("ETag") != `"1"` || !strings.Contains(string(got.Spec), `"message":"stop"`) {
		t.Errorf("revision 1: %s", rec.Body)
	}
	want(t, r.do("developer", "POST", one+"/rollback", ""), 200, &got)
	if got.Status.Revision != 3 {
		t.Errorf("after the rollback: %+v", got.Status)
	}
	want(t, r.do("developer", "POST", one+"/rollback", `{"revision":2}`), 200, &got)
	wantProblem(t, r.do("developer", "POST", one+"/rollback", `{"revision":99}`), 404, "99")
	wantProblem(t, r.do("developer", "POST", one+"/rollback", `{"revision":"2"}`), 400, "revision must be a number")
	var page api.List[api.StoredResource]
	want(t, r.do("viewer", "GET", one+"/revisions", ""), 200, &page)
	if len(page.Items) != 4 || page.Items[0].Status.Revision != 4 {
		t.Errorf("revisions: %+v", page)
	}
	want(t, r.do("developer", "PUT", base+"/workflows/two", workflow("two")), 201, nil)
	want(t, r.do("viewer", "GET", base+"/workflows?limit=1", ""), 200, &page)
	if len(page.Items) != 1 || page.NextCursor == "" {
		t.Errorf("page: %+v", page)
	}
	wantProblem(t, r.do("viewer", "GET", base+"/workflows?limit=0", ""), 400, "limit")
	wantProblem(t, r.do("developer", "DELETE", one, "", "If-Match", `"1"`), 412, "revision 4")
	want(t, r.do("developer", "DELETE", one, ""), 204, nil)
	wantProblem(t, r.do("viewer", "GET", one, ""), 404, "workflow/one")

	secret := `{"apiVersion":"paragon/v1","kind":"Secret","metadata":{"name":"S"},"spec":{"value":"hunter2-value"}}`
	rec = r.do("developer", "PUT", base+"/secrets/S", secret, "Content-Type", "application/json")
	want(t, rec, 201, nil)
	if all := rec.Body.String() + r.do("owner", "GET", base+"/secrets/S", "").Body.String() + r.do("owner", "GET", base+"/secrets/S/revisions", "").Body.String() + r.log.String(); strings.Contains(all, "hunter2") {
		t.Error("a secret is shown")
	}
}

func TestKeyRoutes(t *testing.T) {
	r := newRig(t)
	var made api.CreatedKey
	want(t, r.do("admin", "POST", base+"/keys", `{"name":"ci","role":"developer"}`), 201, &made)
	var page api.List[api.Key]
	rec := r.do("developer", "GET", base+"/keys", "")
	want(t, rec, 200, &page)
	if len(page.Items) != 6 || strings.Contains(rec.Body.String(), made.Token) {
		t.Errorf("keys: %s", rec.Body)
	}
	wantProblem(t, r.do("admin", "POST", base+"/keys", `{"name":"x","role":"owner"}`), 403, "can't hand out")
	wantProblem(t, r.do("admin", "POST", base+"/keys", ``), 400, "name")
	wantProblem(t, r.do("admin", "POST", base+"/keys", `{"name":"x","role":"viewer","expiresAt":"soon"}`), 400, "")
	want(t, r.do("admin", "DELETE", base+"/keys/"+made.ID, ""), 204, nil)
	wantProblem(t, r.do("admin", "DELETE", base+"/keys/"+made.ID, ""), 404, made.ID)
}

func TestTrigger(t *testing.T) {
	r := newRig(t)
	target := base + "/workflows/sync/runs"
	var run schema.Run
	rec := r.do("operator", "POST", target, `{"input":{"a":1}}`, "Idempotency-Key", "k1")
	want(t, rec, 202, &run)
	req := r.runs.last(t)
	if req.Project != "default" || req.Workflow != "sync" || string(req.Input) != `{"a":1}` || req.IdempotencyKey != "k1" ||
		req.Trigger.Kind != "manual" || req.Trigger.Actor != "operator" || !req.Trigger.Time.Equal(r.now) {
		t.Errorf("request: %+v", req)
	}
	if rec.Header().Get("Location") != base+"/runs/"+run.ID {
		t.Errorf("location: %q", rec.Header().Get("Location"))
	}
	for _, body := range []string{"", "{}", `{"input":null}`} {
		want(t, r.do("operator", "POST", target, body), 202, nil)
		if in := r.runs.last(t).Input; in != nil {
			t.Errorf("%q has input %s", body, in)
		}
	}
	want(t, r.do("operator", "POST", target+"?wait=5", ""), 200, &run)
	if run.Status != schema.RunSucceeded {
		t.Errorf("after the wait: %+v", run)
	}
	r.runs.ended = nil // never
	want(t, r.do("operator", "POST", target+"?wait=10ms", ""), 202, &run)
	n := r.runs.count()
	for name, tc := range map[string]struct {
		query, body, ct, key string
		status               int
		text                 string
	}{
		"no JSON":       {body: "{", status: 400, text: "not JSON"},
		"two values":    {body: "{} {}", status: 400, text: "behind"},
		"a list":        {body: "[]", status: 400, text: "must be an object"},
		"unknown field": {body: `{"inputs":{}}`, status: 400, text: `unknown field "inputs"`},
		"form":          {body: "a=b", ct: "application/x-www-form-urlencoded", status: 415, text: "not application/json"},
		"two keys":      {body: `{"idempotencyKey":"a"}`, key: "b", status: 400, text: "differs"},
		"long key":      {key: strings.Repeat("k", 256), status: 400, text: "at most 255"},
		"control key":   {body: `{"idempotencyKey":"a\nb"}`, status: 400, text: "control"},
		"bad wait":      {query: "?wait=x", status: 400, text: "wait"},
	} {
		t.Run(name, func(t *testing.T) {
			headers := []string{"Content-Type", tc.ct}
			if tc.key != "" {
				headers = append(headers, "Idempotency-Key", tc.key)
			}
			wantProblem(t, r.do("operator", "POST", target+tc.query, tc.body, headers...), tc.status, tc.text)
		})
	}
	if r.runs.count() != n {
		t.Error("a wrong request started a run")
	}
}

func TestTriggerMany(t *testing.T) {
	r := newRig(t)
	target := base + "/workflows/sync/runs"
	var body strings.Builder
	for i := range 500 {
		fmt.Fprintf(&body, `{"input":%d,"idempotencyKey":"k%d"}`+"\n", i, i)
	}
	rec := r.do("operator", "POST", target, body.String()+"\n  \n{\"input\":", "Content-Type", "application/x-ndjson")
	want(t, rec, 200, nil)
	lines := strings.Split(strings.TrimSpace(rec.Body.String()), "\n")
	if len(lines) != 501 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, text := range lines[:500] {
		var line api.TriggerLine
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.Error != nil {
			t.Fatalf("line %d: %s", i, text)
		}
		if run := r.runs.runs[line.ID]; run == nil || string(run.Input) != fmt.Sprint(i) {
			t.Fatalf("line %d is answered with run %s: %+v", i, line.ID, run)
		}
	}
	var line api.TriggerLine
	if err := json.Unmarshal([]byte(lines[500]), &line); err != nil || line.Error == nil || line.Error.Status != 400 {
		t.Errorf("the broken line: %s", lines[500])
	}

	rec = r.do("operator", "POST", target, `{"input":"`+strings.Repeat("x", 20_000)+"\"}\n{\"input\":1}\n{\"input\":\"panic\"}\n{\"input\":2}", "Content-Type", "application/x-ndjson")
	lines = strings.Split(strings.TrimSpace(rec.Body.String()), "\n")
	if len(lines) != 4 || !strings.Contains(lines[0], "too-large") || !strings.Contains(lines[1], `"id"`) || !strings.Contains(lines[2], "internal") || !strings.Contains(lines[3], `"id"`) {
		t.Errorf("a long line and a panic: %q", lines)
	}
	wantProblem(t, r.do("operator", "POST", target+"?wait=1s", "{}", "Content-Type", "application/x-ndjson"), 400, "one run")
}

// Answers come while the body is still being sent, over a real connection.
func TestTriggerManyStreams(t *testing.T) {
	r := newRig(t)
	addr := r.live(t)
	pr, pw := io.Pipe()
	req, err := http.NewRequest("POST", "http://"+addr+base+"/workflows/w/runs", pr)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.tokens["operator"])
	req.Header.Set("Content-Type", "application/x-ndjson")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	answered := make(chan *http.Response, 1)
	go func() {
		res, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Error(err)
		}
		answered <- res
	}()
	send := func(s string) {
		if _, err := io.WriteString(pw, s); err != nil {
			t.Fatal(err)
		}
	}
	send("{\"input\":1}\n")
	// net/http's client gives the response out before the body is sent.
	res := <-answered
	if res == nil {
		t.FailNow()
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for i := range 3 {
		if !lines.Scan() || !strings.Contains(lines.Text(), fmt.Sprintf("r%06d", i+1)) {
			t.Fatalf("line %d: %q, %v", i, lines.Text(), lines.Err())
		}
		if i < 2 {
			send("{\"input\":2}\n")
		}
	}
	_ = pw.Close()
	if lines.Scan() {
		t.Errorf("one more line: %q", lines.Text())
	}
}

func TestRunRoutes(t *testing.T) {
	r := newRig(t)
	for range 5 {
		want(t, r.do("operator", "POST", base+"/workflows/w/runs", ""), 202, nil)
	}
	var run schema.Run
	want(t, r.do("viewer", "GET", base+"/runs/r000001", ""), 200, &run)
	wantProblem(t, r.do("viewer", "GET", base+"/runs/none", ""), 404, "none")
	want(t, r.do("viewer", "GET", base+"/runs/r000001?wait=1s", ""), 200, &run)
	if run.Status != schema.RunSucceeded {
		t.Errorf("after a wait: %+v", run)
	}
	var steps api.List[schema.StepRecord]
	want(t, r.do("viewer", "GET", base+"/runs/r000001/steps", ""), 200, &steps)
	if len(steps.Items) != 1 {
		t.Errorf("steps: %+v", steps)
	}
	var page api.List[schema.Run]
	want(t, r.do("viewer", "GET", base+"/runs?workflow=w&status=failed,succeeded&status=queued&since=1h&until=2027-01-01T00:00:00Z&error=x&limit=2", ""), 200, &page)
	if len(page.Items) != 2 || page.NextCursor == "" {
		t.Errorf("page: %+v", page)
	}
	if got := r.do("viewer", "GET", base+"/runs?workflow=none", "").Body.String(); !strings.Contains(got, `"items":[]`) {
		t.Errorf("an empty page: %s", got)
	}
	for _, q := range []string{"status=done", "since=x", "limit=1001", "limit=x", "workflows=w"} {
		wantProblem(t, r.do("viewer", "GET", base+"/runs?"+q, ""), 400, "")
	}
	want(t, r.do("operator", "POST", base+"/runs/r000001/cancel", ""), 200, &run)
	if r.runs.actors[0] != "operator" {
		t.Errorf("canceled by %v", r.runs.actors)
	}
	want(t, r.do("operator", "POST", base+"/runs/r000001/replay", `{"from":"step"}`), 202, &run)
	if tr := r.runs.last(t).Trigger; tr.ID != "step" || tr.Parent != "r000001" {
		t.Errorf("replay: %+v", tr)
	}
}

func TestOperations(t *testing.T) {
	r := newRig(t)
	var count api.RunsCount
	want(t, r.do("operator", "POST", base+"/runs/replay", `{"workflow":"w","dryRun":true}`), 200, &count)
	if count.Matched != 5 || !count.DryRun {
		t.Errorf("dry run: %+v", count)
	}
	var op api.Operation
	rec := r.do("operator", "POST", base+"/runs/replay", `{"workflow":"w","status":["failed"],"since":"2020-01-01T00:00:00Z","from":"b"}`)
	want(t, rec, 202, &op)
	if op.Kind != "replay" || op.From != "b" || op.Filter.Workflow != "w" || op.By == "" || rec.Header().Get("Location") != base+"/operations/"+op.ID {
		t.Errorf("replayed: %+v at %q", op, rec.Header().Get("Location"))
	}
	want(t, r.do("operator", "POST", base+"/runs/cancel", `{"error":"503"}`), 202, &op)
	if op.Kind != "cancel" || op.Filter.Error != "503" {
		t.Errorf("canceled: %+v", op)
	}
	wantProblem(t, r.do("operator", "POST", base+"/runs/replay", `{}`), 400, "at least one")
	wantProblem(t, r.do("operator", "POST", base+"/runs/replay", `{"status":["queued"]}`), 400, "not an end")
	wantProblem(t, r.do("operator", "POST", base+"/runs/cancel", `{"status":["failed"]}`), 400, "any more")
	for _, path := range []string{"/runs/replay", "/runs/cancel"} {
		wantProblem(t, r.do("operator", "POST", base+path, `{"status":["x"]}`), 400, "not a status")
	}
	var list api.List[api.Operation]
	want(t, r.do("viewer", "GET", base+"/operations?limit=5", ""), 200, &list)
	if len(list.Items) != 2 {
		t.Errorf("list: %+v", list)
	}
	want(t, r.do("viewer", "GET", base+"/operations/"+op.ID, ""), 200, nil)
	want(t, r.do("operator", "POST", base+"/operations/"+op.ID+"/cancel", ""), 200, &op)
	if op.State != api.OperationCanceled {
		t.Errorf("canceled: %+v", op)
	}
	wantProblem(t, r.do("viewer", "GET", base+"/operations/none", ""), 404, "does not exist")
	var audit api.List[api.AuditRecord]
	want(t, r.do("owner", "GET", base+"/audit?object=operation/"+op.ID, ""), 200, &audit)
	if len(audit.Items) != 2 || audit.Items[1].Action != "cancel-runs" || audit.Items[0].Action != "cancel-operation" {
		t.Errorf("audit: %+v", audit.Items)
	}
}
