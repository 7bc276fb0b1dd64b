package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"paragon/engine/config"
	"paragon/schema"
	"paragon/schema/api"
)

func as(err error, target any) bool { return errors.As(err, target) }

const base = "/v1/projects/default"

func workflow(name string) string {
	return "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: " + name + "}\nspec:\n  steps:\n    - id: stop\n      fail: {message: stop}\n"
}

// weakest names, for each route, the weakest role that may call it.
var weakest = map[string]string{
	"live": "public", "ready": "public", "version": "public", "openapi": "public", "metrics": "public", "hook": "public",
	"whoami": "key", "listProjects": "key", "logout": "key", "login": "public", "startDevice": "public", "claimDevice": "public", "acceptInvitation": "public",
	"createProject": "installation owner", "getSettings": "viewer", "putSettings": "installation owner", "exportSecrets": "owner",
	"listMembers": "developer", "invite": "admin", "setRole": "admin", "removeMember": "admin", "rotateKey": "admin",
	"apply": "developer", "trigger": "operator",
	"listRuns": "viewer", "getRun": "viewer", "getSteps": "viewer", "getPayload": "viewer", "cancelRun": "operator", "sendEvent": "operator", "replayRun": "operator", "replayRuns": "operator", "cancelRuns": "operator",
	"listOperations": "viewer", "getOperation": "viewer", "cancelOperation": "operator",
	"listQueues": "viewer", "listPaused": "viewer", "pauseQueue": "operator", "resumeQueue": "operator", "pauseWorkflow": "operator", "resumeWorkflow": "operator",
	"listKeys": "developer", "createKey": "admin", "deleteKey": "admin", "listAudit": "admin",
	"getStats": "viewer", "streamStats": "viewer",
	"listUsers": "viewer", "getUser": "viewer", "putUser": "operator", "deleteUser": "operator",
	"listCredentials": "viewer", "putCredential": "operator", "deleteCredential": "operator", "connect": "operator", "getConnect": "viewer",
	"listSharedCredentials": "viewer", "listInvalidCredentials": "viewer", "putSharedCredential": "developer", "deleteSharedCredential": "developer", "connectShared": "developer",
	"startOAuth": "public", "oauthCallback": "public",
	"listUserWorkflows": "viewer", "getUserWorkflow": "viewer", "putUserWorkflow": "operator", "deleteUserWorkflow": "operator",
	"listUserKeys": "developer", "putUserKey": "admin", "deleteUserKey": "admin",
	"listWorkers": "viewer", "listWorkerRuns": "viewer", "callIntegration": "operator", "getProxyJob": "operator", "listProxyCalls": "viewer",
	"listWorkflows": "viewer", "getWorkflow": "viewer", "putWorkflow": "developer", "deleteWorkflow": "developer",
	"listReleases": "viewer", "getRelease": "viewer", "compareReleases": "viewer", "rollbackRelease": "developer",
	"listWorkflowRevisions": "viewer", "rollbackWorkflow": "developer", "compareWorkflowRevisions": "viewer", "compareSecretRevisions": "viewer",
	"listSecrets": "viewer", "getSecret": "viewer", "putSecret": "developer", "deleteSecret": "developer",
	"listSecretRevisions": "viewer", "rollbackSecret": "developer",
	"listIntegrations": "viewer", "getIntegration": "viewer", "putIntegration": "developer", "deleteIntegration": "developer",
	"listIntegrationRevisions": "viewer", "rollbackIntegration": "developer", "compareIntegrationRevisions": "viewer",
	"listDestinations": "viewer", "getDestination": "viewer", "putDestination": "developer", "deleteDestination": "developer",
	"listDestinationRevisions": "viewer", "rollbackDestination": "developer", "compareDestinationRevisions": "viewer",
	"listDestinationStatus": "viewer", "getDestinationStatus": "viewer", "listDeliveries": "viewer", "resumeDestination": "operator", "testDestination": "operator",
}

func TestRolesAndRoutes(t *testing.T) {
	r := newRig(t)
	r.drain.Store(true) // a stream ends at once
	seen := map[string]bool{}
	expected := 0
	for i := range r.server.routes {
		rt := &r.server.routes[i]
		least, ok := weakest[rt.id]
		if !ok {
			t.Errorf("route %s (%s %s) is not in the table of this test: who may call it?", rt.id, rt.method, rt.path)
			continue
		}
		if seen[rt.id] {
			t.Errorf("two routes are called %s", rt.id)
		}
		seen[rt.id] = true
		target := strings.NewReplacer("{project}", "default", "{name}", "none", "{id}", "none", "{kid}", "none", "{integration}", "none", "{account}", "none", "{email}", "none@example.org", "{workflow}", "none", "{trigger}", "none").Replace(rt.path)
		method := nameOr(rt.method, "POST")

		rec := r.do("", method, target, "")
		for _, header := range securing {
			if rec.Header().Get(header.name) == "" {
				t.Errorf("%s: the answer has no %s", rt.id, header.name)
			}
		}
		if least == "public" {
			if rec.Code == 401 || rec.Code == 403 {
				t.Errorf("%s: public, and yet %d", rt.id, rec.Code)
			}
			continue
		}
		wantProblem(t, rec, 401, "API key")
		if got := rec.Header().Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
			t.Errorf("%s: WWW-Authenticate is %q", rt.id, got)
		}
		if least == "key" {
			if rec := r.do("viewer", method, target, ""); rec.Code == 401 || rec.Code == 403 || rec.Code >= 500 {
				t.Errorf("%s: a key may not: %d %s", rt.id, rec.Code, rec.Body)
			}
			continue
		}
		least, whole := strings.CutPrefix(least, "installation ")
		if whole {
			wantProblem(t, r.do("other", method, target, ""), 403, "a role in project default")
			expected++
		} else {
			wantProblem(t, r.do("other", method, target, ""), 404, "does not exist, or your key is not for it")
		}
		may := true
		for _, role := range config.Roles { // from the strongest
			rec := r.do(string(role), method, target, "")
			if may && (rec.Code == 401 || rec.Code == 403) {
				t.Errorf("%s: %s may not: %d %s", rt.id, role, rec.Code, rec.Body)
			}
			if !may {
				wantProblem(t, rec, 403, "role "+string(role))
				expected++
			}
			if rec.Code >= 500 {
				t.Errorf("%s: %d %s", rt.id, rec.Code, rec.Body)
			}
			if string(role) == least {
				may = false
			}
		}
	}
	for id := range weakest {
		if !seen[id] {
			t.Errorf("there is no route %s", id)
		}
	}
	// Refusals are in the audit log.
	var page api.List[api.AuditRecord]
	want(t, r.do("owner", "GET", base+"/audit?limit=1000", ""), 200, &page)
	refused := 0
	for _, rec := range page.Items {
		if rec.Outcome == "refused" && rec.From == "192.0.2.1" {
			refused++
		}
	}
	if refused != expected {
		t.Errorf("%d refusals in the audit log, want %d", refused, expected)
	}
}

func TestAuthentication(t *testing.T) {
	r := newRig(t)
	var id api.Identity
	want(t, r.do("operator", "GET", "/v1/whoami", ""), 200, &id)
	if id.Name != "operator" || id.Role != "operator" || id.Project != "default" {
		t.Errorf("%+v", id)
	}
	for name, header := range map[string]string{"no scheme": r.tokens["owner"], "basic": "Basic " + r.tokens["owner"], "empty": "Bearer ",
		"unknown": "Bearer pgn_aaaaaaaaaaaaa_" + strings.Repeat("x", 43), "cut": "Bearer " + r.tokens["owner"][:20]} {
		p := wantProblem(t, r.do("", "GET", "/v1/whoami", "", "Authorization", header), 401, "API key")
		if strings.Contains(p.Detail, r.tokens["owner"]) {
			t.Errorf("%s: the problem shows the token", name)
		}
	}
	k, err := r.config.CreateKey(t.Context(), config.System, "default", api.CreateKeyRequest{Name: "short", Role: "viewer", ExpiresAt: r.now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	r.tokens["short"] = k.Token
	r.apply(workflow("any")) // a change, to know that the key has arrived
	want(t, r.do("short", "GET", "/v1/whoami", ""), 200, nil)
	r.now = r.now.Add(2 * time.Hour)
	wantProblem(t, r.do("short", "GET", "/v1/whoami", ""), 401, "expired")
	if strings.Contains(r.log.String(), "pgn_") {
		t.Error("the log holds a token")
	}
}

func TestUnroutedRequests(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/", "/nothing", "/v1/projects/default/unknown", "/v1/projects/default/runs/a/b/c", "/V1/whoami"} {
		wantProblem(t, r.do("owner", "GET", path, ""), 404, "nothing at")
	}
	rec := r.do("owner", "PATCH", base+"/runs", "")
	p := wantProblem(t, rec, 405, "GET")
	if p.Type != schema.ProblemMethod || !strings.Contains(rec.Header().Get("Allow"), "GET") {
		t.Errorf("allow is %q", rec.Header().Get("Allow"))
	}
	rec = r.do("", "OPTIONS", base+"/apply", "")
	if rec.Code != 204 || !strings.Contains(rec.Header().Get("Allow"), "POST") {
		t.Errorf("options: %d, %q", rec.Code, rec.Header().Get("Allow"))
	}
	rec = r.do("", "HEAD", "/version", "")
	want(t, rec, 200, nil)
	rec = r.do("", "HEAD", base+"/runs", "")
	if rec.Code != 401 || rec.Body.Len() != 0 {
		t.Errorf("head: %d with %d bytes", rec.Code, rec.Body.Len())
	}
}

func TestTraceContext(t *testing.T) {
	r := newRig(t)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	rec := r.do("owner", "POST", base+"/workflows/w/runs", "", "Traceparent", parent)
	want(t, rec, 202, nil)
	sent := r.runs.last(t).TraceParent
	if got := rec.Header().Get("Traceparent"); got != sent || !strings.HasPrefix(got, parent[:36]) || got[36:52] == parent[36:52] || !strings.HasSuffix(got, "-01") {
		t.Errorf("traceparent %q, handed on %q", got, sent)
	}
	for _, bad := range []string{"", "x", strings.ToUpper(parent), "ff" + parent[2:], parent + "-x", strings.Replace(parent, "0af7651916cd43dd8448eb211c80319c", strings.Repeat("0", 32), 1),
		strings.Replace(parent, "b7ad6b7169203331", strings.Repeat("0", 16), 1), parent[:54] + "g"} {
		rec := r.do("", "GET", "/version", "", "Traceparent", bad)
		if tr, ok := parseTraceParent(rec.Header().Get("Traceparent")); !ok || strings.HasPrefix(tr.Parent(), parent[:35]) {
			t.Errorf("%q gives %q", bad, rec.Header().Get("Traceparent"))
		}
	}
	if tr, ok := parseTraceParent("01" + parent[2:] + "-more"); !ok || tr.TraceID() != parent[3:35] {
		t.Error("a version to come is not read")
	}
}

func TestInternalErrorsStayInside(t *testing.T) {
	r := newRig(t)
	r.runs.err = errors.New("dial tcp 10.0.0.7:6379: password hunter2")
	p := wantProblem(t, r.do("owner", "GET", base+"/runs/r1", ""), 500, "fault of the server")
	if strings.Contains(p.Detail, "hunter2") {
		t.Error("the cause got out")
	}
	if !strings.Contains(r.log.String(), "10.0.0.7") || !strings.Contains(r.log.String(), p.TraceID) {
		t.Errorf("the log lacks the cause or the trace: %s", r.log)
	}
	r.runs.err = &schema.Problem{Type: schema.ProblemUnavailable, Status: 503, Detail: "the log is full", RetryAfter: 7}
	rec := r.do("owner", "POST", base+"/workflows/w/runs", "")
	wantProblem(t, rec, 503, "full")
	if rec.Header().Get("Retry-After") != "7" {
		t.Errorf("retry-after is %q", rec.Header().Get("Retry-After"))
	}
	r.runs.err = nil
	wantProblem(t, r.do("owner", "POST", base+"/workflows/w/runs", `{"input":"panic"}`), 500, "fault of the server")
	if !strings.Contains(r.log.String(), "told to") {
		t.Error("the log lacks the panic")
	}
	want(t, r.do("", "GET", "/livez", ""), 200, nil)
}

func TestHealth(t *testing.T) {
	r := newRig(t)
	var h health
	want(t, r.do("", "GET", "/readyz", ""), 200, &h)
	if h.Status != "ok" || !h.Checks["sometimes"].OK || h.Checks["never"].OK || h.Checks["never"].Error == "" {
		t.Errorf("%+v", h)
	}
	r.drain.Store(true)
	want(t, r.do("", "GET", "/readyz", ""), 503, &h)
	if h.Status != "draining" {
		t.Errorf("%+v", h)
	}
	want(t, r.do("", "GET", "/livez", ""), 200, nil)
	r.drain.Store(false)
	r.checks = []Check{{Check: func(context.Context) error { return errors.New("redis: refused") }}}
	want(t, r.do("", "GET", "/readyz", ""), 503, &h)
	if h.Status != "unavailable" || h.Checks["sometimes"].Error != "redis: refused" {
		t.Errorf("%+v", h)
	}
	if got := r.do("", "GET", "/metrics", "").Body.String(); got != "paragon_up 1\n" {
		t.Errorf("metrics: %q", got)
	}
}

func TestOpenAPI(t *testing.T) {
	r := newRig(t)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Responses   map[string]any
			RequestBody any
		}
		Components struct{ Schemas map[string]any }
	}
	want(t, r.do("", "GET", "/openapi.json", ""), 200, &doc)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("version %s", doc.OpenAPI)
	}
	for _, rt := range r.server.routes {
		op, ok := doc.Paths[strings.ReplaceAll(rt.path, "...}", "}")][strings.ToLower(nameOr(rt.method, "POST"))]
		if !ok || op.OperationID != rt.id || op.Responses["default"] == nil || len(op.Responses) < 2 || (op.RequestBody != nil) != (rt.body != nil) {
			t.Errorf("%s %s: %+v", rt.method, rt.path, op)
		}
	}
	for _, name := range []string{"Run", "Problem", "ApplyRequest", "ApplyResult", "StoredResource"} {
		if doc.Components.Schemas[name] == nil {
			t.Errorf("schema %s is missing", name)
		}
	}
	// Every reference has its schema.
	text := r.do("", "GET", "/openapi.json", "").Body.String()
	for _, part := range strings.Split(text, `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if doc.Components.Schemas[name] == nil {
			t.Errorf("schema %s is referred to and missing", name)
		}
	}
}

func TestWithoutAPIRole(t *testing.T) {
	r := newRig(t)
	s, err := New(Options{Cache: r.cache})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest("GET", "/livez", nil))
	want(t, rec, 200, nil)
	rec = httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest("GET", base+"/runs", nil))
	wantProblem(t, rec, 404, "nothing")
}

// live serves the rig on a real connection.
func (r *rig) live(t testing.TB) (addr string) {
	srv := r.server.HTTPServer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return l.Addr().String()
}

func TestLimits(t *testing.T) {
	r := newRig(t)
	big := strings.Repeat("x", 10_001)
	for name, rec := range map[string]*httptest.ResponseRecorder{
		"trigger": r.do("owner", "POST", base+"/workflows/w/runs", `{"input":"`+big+`"}`),
		"put":     r.do("owner", "PUT", base+"/workflows/w", big),
		"replay":  r.do("owner", "POST", base+"/runs/x/replay", big),
	} {
		p := wantProblem(t, rec, 413, "larger than 10000 bytes")
		if p.Type != schema.ProblemTooLarge {
			t.Errorf("%s: %s", name, p.Type)
		}
	}
	addr := r.live(t)
	// A body without a length is cut off where the limit is.
	req, _ := http.NewRequest("POST", "http://"+addr+base+"/workflows/w/runs", io.MultiReader(strings.NewReader(`{"input":"`), strings.NewReader(big)))
	req.Header.Set("Authorization", "Bearer "+r.tokens["owner"])
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("chunked: %d", res.StatusCode)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Big: %s\r\n\r\n", strings.Repeat("h", 80<<10)); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != 431 {
		t.Errorf("headers of 80 KiB: %v, %v", answer, err)
	}
	if answer != nil {
		_ = answer.Body.Close()
	}
	if r.runs.count() != 0 {
		t.Error("a run was started")
	}
}
