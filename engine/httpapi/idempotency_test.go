package httpapi

import (
	"bytes"
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

const someKey = `{"name":"ci","role":"viewer"}`

func (r *rig) keyCount(named string) int {
	r.t.Helper()
	var page api.List[api.Key]
	want(r.t, r.do("owner", "GET", base+"/keys", ""), 200, &page)
	n := 0
	for _, k := range page.Items {
		if k.Name == named {
			n++
		}
	}
	return n
}

// A mutation that is sent again with its Idempotency-Key is done once, and
// answered as it was.
func TestSameKeySameAnswer(t *testing.T) {
	r := newRig(t)
	post := func(role, path, body, key string) *httptest.ResponseRecorder {
		return r.do(role, "POST", path, body, "Idempotency-Key", key)
	}
	first := post("owner", base+"/keys", someKey, "k1")
	want(t, first, 201, nil)
	again := post("owner", base+"/keys", someKey, "k1")
	want(t, again, 201, nil)
	if first.Body.String() != again.Body.String() || r.keyCount("ci") != 1 {
		t.Errorf("%d keys; first %s, then %s", r.keyCount("ci"), first.Body, again.Body)
	}
	if first.Header().Get(replayed) != "" || again.Header().Get(replayed) != "true" || again.Header().Get("Content-Type") != "application/json" {
		t.Errorf("headers %v, then %v", first.Header(), again.Header())
	}
	// The answer holds a token, the store does not.
	token := pick(t, first.Body.String(), `"token":"`)
	for _, file := range glob(t, r.dir) {
		if text, err := os.ReadFile(file); err != nil || bytes.Contains(text, []byte(token)) {
			t.Errorf("%s holds the token of an answer (%v)", file, err)
		}
	}

	// The key is the caller's, the project's and the request's.
	wantProblem(t, post("owner", base+"/keys", strings.Replace(someKey, "ci", "cd", 1), "k1"), 422, "another request")
	wantProblem(t, post("owner", base+"/members", someKey, "k1"), 422, "another request")
	want(t, post("admin", base+"/keys", someKey, "k1"), 201, nil)
	want(t, post("other", "/v1/projects/elsewhere/keys", someKey, "k1"), 201, nil)
	if n := r.keyCount("ci"); n != 2 {
		t.Errorf("%d keys; want 2", n)
	}
	r.now = r.now.Add(24 * time.Hour)
	want(t, post("owner", base+"/keys", someKey, "k1"), 201, nil)
	if n := r.keyCount("ci"); n != 3 {
		t.Errorf("a day later: %d keys; want 3", n)
	}

	// A resource's answer has its ETag again, a refusal its trace.
	put := func(body string) *httptest.ResponseRecorder {
		return r.do("owner", "PUT", base+"/workflows/w", body, "Idempotency-Key", "k2", "If-None-Match", "*")
	}
	a, b := put(workflow("w")), put(workflow("w"))
	want(t, a, 201, nil)
	want(t, b, 201, nil)
	if a.Header().Get("ETag") == "" || a.Header().Get("ETag") != b.Header().Get("ETag") || b.Header().Get("Location") == "" {
		t.Errorf("headers %v, then %v", a.Header(), b.Header())
	}
	p := wantProblem(t, post("owner", base+"/keys", `{"name":"x","role":"king"}`, "k3"), 422, "role")
	q := wantProblem(t, post("owner", base+"/keys", `{"name":"x","role":"king"}`, "k3"), 422, "role")
	if p.TraceID != q.TraceID {
		t.Error("a refusal was made anew")
	}
	wantProblem(t, post("owner", base+"/keys", someKey, strings.Repeat("k", 256)), 400, "at most 255")
	want(t, r.do("owner", "DELETE", base+"/workflows/w", "", "Idempotency-Key", "k4"), 204, nil)
	want(t, r.do("owner", "DELETE", base+"/workflows/w", "", "Idempotency-Key", "k4"), 204, nil)
}

// Every change by a known caller takes a key: its own kind, or the stored
// answers.
func TestWhichRoutesTakeKeys(t *testing.T) {
	own := map[string]bool{"trigger": true, "sendEvent": true, "callIntegration": true}
	for _, rt := range newRig(t).server.routes {
		if rt.method == "GET" || rt.access == public {
			continue
		}
		n := 0
		for _, p := range rt.params {
			if p.name == "Idempotency-Key" {
				n++
			}
		}
		if n != 1 || own[rt.id] != rt.ownKeys || rt.keepsAnswers() == rt.ownKeys {
			t.Errorf("%s: documented %d times, own keys %v, keeps answers %v", rt.id, n, rt.ownKeys, rt.keepsAnswers())
		}
	}
}

// What passes is not kept: nor an answer that there never was.
func TestPassingAnswersAreNotKept(t *testing.T) {
	r := newRig(t)
	r.runs.runs["r1"] = &schema.Run{ID: "r1", Project: "default", Status: schema.RunSucceeded}
	cancel := func() *httptest.ResponseRecorder {
		return r.do("owner", "POST", base+"/runs/r1/cancel", "", "Idempotency-Key", "k")
	}
	r.runs.onCancel = func(context.Context) error { return unavailable("Redis is away") }
	wantProblem(t, cancel(), 503, "away")
	r.runs.onCancel = func(context.Context) error { panic("told to") }
	wantProblem(t, cancel(), 500, "fault")
	r.runs.onCancel = nil
	rec := cancel()
	want(t, rec, 200, nil)
	if rec.Header().Get(replayed) != "" {
		t.Error("an answer from nowhere")
	}
}

// While the first request is not answered the second is asked to wait, and the
// first is done even if its caller leaves.
func TestTheFirstGoesOn(t *testing.T) {
	r := newRig(t)
	r.runs.runs["r1"] = &schema.Run{ID: "r1", Project: "default", Status: schema.RunSucceeded}
	begun, leave, goOn := make(chan struct{}), make(chan struct{}), make(chan struct{})
	r.runs.onCancel = func(ctx context.Context) error {
		close(begun)
		<-goOn
		return ctx.Err()
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-leave
			cancel()
			close(goOn)
		}()
		req := httptest.NewRequestWithContext(ctx, "POST", base+"/runs/r1/cancel", nil)
		req.Header.Set("Authorization", "Bearer "+r.tokens["owner"])
		req.Header.Set("Idempotency-Key", "k")
		r.server.ServeHTTP(httptest.NewRecorder(), req)
	})
	<-begun
	again := func() *httptest.ResponseRecorder {
		return r.do("owner", "POST", base+"/runs/r1/cancel", "", "Idempotency-Key", "k")
	}
	rec := again()
	wantProblem(t, rec, 409, "not answered yet")
	if rec.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", rec.Header().Get("Retry-After"))
	}
	close(leave)
	wg.Wait()
	rec = again()
	want(t, rec, 200, nil)
	if rec.Header().Get(replayed) != "true" {
		t.Error("it was done twice")
	}
}

func TestManyAtOnceWithOneKey(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	bodies, statuses := map[string]int{}, map[int]int{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			rec := r.do("owner", "POST", base+"/keys", someKey, "Idempotency-Key", "k")
			mu.Lock()
			defer mu.Unlock()
			statuses[rec.Code]++
			if rec.Code == 201 {
				bodies[rec.Body.String()]++
			}
		})
	}
	wg.Wait()
	if len(bodies) != 1 || statuses[201]+statuses[409] != 16 || r.keyCount("ci") != 1 {
		t.Errorf("%d answers, statuses %v, %d keys", len(bodies), statuses, r.keyCount("ci"))
	}
}

// pick is the text between a mark and the next quote.
func pick(t *testing.T, text, mark string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, mark)
	value, _, _ := strings.Cut(rest, `"`)
	if !ok || value == "" {
		t.Fatalf("%s is not in %s", mark, text)
	}
	return value
}

func glob(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	return files
}
