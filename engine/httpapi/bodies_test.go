package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"paragon/schema"
)

// What does not fit in memory together is shed, and only that.
func TestBodiesAreBoundedTogether(t *testing.T) {
	r := newRig(t)
	r.runs.runs["r1"] = &schema.Run{ID: "r1", Project: "default", Status: schema.RunSucceeded}
	r.server.bodies.limit = 100
	begun, goOn := make(chan struct{}), make(chan struct{})
	r.runs.onCancel = func(context.Context) error {
		close(begun)
		<-goOn
		return nil
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		want(t, r.do("owner", "POST", base+"/runs/r1/cancel", strings.Repeat(" ", 90)), http.StatusOK, nil)
	})
	<-begun
	event := `{"name":"a"}`
	rec := r.do("owner", "POST", base+"/events", event)
	wantProblem(t, rec, 503, "try again")
	if rec.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", rec.Header().Get("Retry-After"))
	}
	// A body whose length is not known counts as the largest that is allowed.
	req := httptest.NewRequest("POST", base+"/events", strings.NewReader(event))
	req.ContentLength = -1
	req.Header.Set("Authorization", "Bearer "+r.tokens["owner"])
	unknown := httptest.NewRecorder()
	r.server.ServeHTTP(unknown, req)
	wantProblem(t, unknown, 503, "try again")
	want(t, r.do("owner", "GET", "/v1/whoami", ""), 200, nil)
	close(goOn)
	wg.Wait()
	want(t, r.do("owner", "POST", base+"/events", event), 202, nil)
	if n := r.server.bodies.held.Load(); n != 0 {
		t.Errorf("%d bytes are held by nobody", n)
	}
}

// One turn at a time: the second request waits for the first, who starts a run
// does not, and who waits for a run's end lets others by.
func TestTurns(t *testing.T) {
	r := newRig(t)
	r.runs.runs["r1"] = &schema.Run{ID: "r1", Project: "default", Status: schema.RunRunning}
	r.server.turns = newTurns(1)
	r.runs.ended = make(chan struct{})
	begun, goOn := make(chan struct{}), make(chan struct{})
	r.runs.onCancel = func(context.Context) error {
		close(begun)
		<-goOn
		return nil
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { r.do("owner", "POST", base+"/runs/r1/cancel", "") })
	<-begun
	want(t, r.do("owner", "POST", base+"/workflows/w/runs", ""), 202, nil)
	want(t, r.do("", "GET", "/livez", ""), 200, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := httptest.NewRequestWithContext(ctx, "GET", base+"/runs", nil)
	req.Header.Set("Authorization", "Bearer "+r.tokens["owner"])
	rec := httptest.NewRecorder()
	r.server.ServeHTTP(rec, req)
	wantProblem(t, rec, 504, "ended before it was answered")
	waiting := make(chan int)
	go func() { waiting <- r.do("owner", "GET", base+"/runs", "").Code }()
	close(goOn)
	if code := <-waiting; code != 200 {
		t.Errorf("its turn came, and the answer was %d", code)
	}
	go func() { waiting <- r.do("owner", "GET", base+"/runs/r1?wait=1m", "").Code }()
	want(t, r.do("owner", "GET", base+"/runs", ""), 200, nil)
	close(r.runs.ended)
	if code := <-waiting; code != 200 {
		t.Errorf("the wait was answered %d", code)
	}
}
