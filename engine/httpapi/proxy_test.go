package httpapi

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"paragon/engine/connect/proxy"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// fakeProxy answers with what it got.
type fakeProxy struct {
	calls []proxy.Call
	err   error
}

func (f *fakeProxy) MaxBody() int64 { return 50_000 }

func (f *fakeProxy) Check(_ context.Context, _ *http.Request, call proxy.Call) error {
	f.calls = append(f.calls, call)
	return f.err
}

func (f *fakeProxy) Serve(w http.ResponseWriter, r *http.Request, call proxy.Call) error {
	f.calls = append(f.calls, call)
	if f.err != nil {
		return f.err
	}
	w.WriteHeader(http.StatusTeapot)
	_, err := io.Copy(w, r.Body)
	return err
}

func TestCallsReachTheProxyAsTheyAreWritten(t *testing.T) {
	r := newRig(t)
	want(t, r.do("operator", "PUT", base+"/users/u_1", "{}"), 201, nil)
	for _, test := range []struct{ path, rest string }{
		{"", ""}, {"/", "/"}, {"/contacts", "/contacts"}, {"/a//b/../c/", "/a//b/../c/"}, {"/a%2Fb/%2e%2e", "/a%2Fb/%2e%2e"},
		{"/v1/projects/x/integrations/y/proxy/z", "/v1/projects/x/integrations/y/proxy/z"},
	} {
		for _, method := range []string{"GET", "POST", "PURGE"} {
			r.proxy.calls = nil
			rec := r.do("operator", method, base+"/integrations/crm/proxy"+test.path+"?q=1", "hello", "Paragon-User", "u_1", "Paragon-Account", "main")
			if rec.Code != http.StatusTeapot || rec.Body.String() != "hello" {
				t.Fatalf("%s %s: %d %s", method, test.path, rec.Code, rec.Body)
			}
			call := r.proxy.calls[0]
			want := proxy.Caller{Project: "default", Integration: "crm", User: "u_1", Account: "main"}
			if call.Caller != want || call.Path != test.rest || call.Actor != "operator" || len(call.TraceID) != 32 {
				t.Errorf("%s %s: the proxy got %+v", method, test.path, call)
			}
		}
	}
	for _, path := range []string{"/integrations/crm/proxyx", "/integrations/crm%2Fx/proxy/x", "/integrations//proxy/x"} {
		r.proxy.calls = nil
		if rec := r.do("operator", "GET", base+path, ""); rec.Code == http.StatusTeapot || len(r.proxy.calls) > 0 {
			t.Errorf("%s reached the proxy", path)
		}
	}
	// Another project is none of the caller's business.
	wantProblem(t, r.do("other", "GET", base+"/integrations/crm/proxy/x", ""), 404, "does not exist")
	wantProblem(t, r.do("operator", "POST", base+"/integrations/crm/proxy/x", string(make([]byte, 50_001))), 413, "50000")
}

func TestParagonsOwnErrorsAreMarked(t *testing.T) {
	r := newRig(t)
	r.proxy.err = unavailable("not now")
	rec := r.do("operator", "GET", base+"/integrations/crm/proxy/x", "")
	wantProblem(t, rec, 503, "not now")
	if rec.Header().Get(proxyError) != string(schema.ProblemUnavailable) {
		t.Errorf("headers are %v", rec.Header())
	}
	r.proxy.err = nil
	if rec := r.do("operator", "GET", base+"/integrations/crm/proxy/x", ""); rec.Header().Get(proxyError) != "" {
		t.Errorf("the far side's answer is marked: %v", rec.Header())
	}
}

func TestProxyCallsAreListed(t *testing.T) {
	r := newRig(t)
	at := r.now.UTC().Truncate(time.Millisecond)
	batch := store.LogBatch{Stream: "s", To: "1"}
	for i, integration := range []string{"crm", "mail", "crm"} {
		begun := at.Add(time.Duration(i) * time.Second)
		batch.ProxyCalls = append(batch.ProxyCalls, schema.ProxyCall{ID: schema.ProxyCallIDBound(begun) + "0000000000000000", Project: "default",
			Integration: integration, Method: "GET", Path: "/x", Status: 200 + 200*(i%2), StartedAt: begun})
	}
	if _, err := r.db.WriteLog(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	list := func(query string) []schema.ProxyCall {
		t.Helper()
		var page api.List[schema.ProxyCall]
		want(t, r.do("viewer", "GET", base+"/proxy-calls"+query, ""), 200, &page)
		return page.Items
	}
	if all := list(""); len(all) != 3 || all[0] != batch.ProxyCalls[2] {
		t.Errorf("listed %+v", all)
	}
	for query, n := range map[string]int{"?integration=crm": 2, "?failed=true": 1, "?user=u": 0, "?since=" + at.Add(time.Second).Format(time.RFC3339): 2} {
		if got := list(query); len(got) != n {
			t.Errorf("%s: %d calls; want %d", query, len(got), n)
		}
	}
	var page api.List[schema.ProxyCall]
	want(t, r.do("viewer", "GET", base+"/proxy-calls?limit=2", ""), 200, &page)
	if rest := list("?cursor=" + page.NextCursor); len(page.Items) != 2 || len(rest) != 1 {
		t.Errorf("pages of %d and %d", len(page.Items), len(rest))
	}
	wantProblem(t, r.do("viewer", "GET", base+"/proxy-calls?cursor=r1", ""), 400, "nextCursor")
}
