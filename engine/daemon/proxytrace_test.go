package daemon_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	v1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"paragon/engine/daemon"
	"paragon/engine/tracing/tracingtest"
	"paragon/schema/api"
)

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan  = "00f067aa0ba902b7"
	proxyRoute   = " /v1/projects/{project}/integrations/{name}/proxy/{path...}"
)

// heard are the traceparents that a far side was sent.
type heard chan string

func (h heard) note(r *http.Request) { h <- r.Header.Get("Traceparent") }

// startTraced is dev with a collector, and a far side whose requests are heard.
func startTraced(t *testing.T, far map[string]http.HandlerFunc) (*dev, *tracingtest.Collector, heard) {
	collector, h := tracingtest.Start(t), make(heard, 16)
	d := startDev(t, t.TempDir(), func(o *daemon.DevOptions) { o.Tracer = startTracer(t, collector) })
	for path, serve := range far {
		far[path] = func(w http.ResponseWriter, r *http.Request) {
			h.note(r)
			serve(w, r)
		}
	}
	d.FarSide = serve(t, far)
	return d, collector, h
}

// A call through the proxy is one trace from its caller to the far side, each
// attempt a span of its own, whose traceparent the far side gets.
func TestTraceOfAProxiedCall(t *testing.T) {
	asked := 0
	d, collector, heard := startTraced(t, map[string]http.HandlerFunc{
		"/v2/busy": func(w http.ResponseWriter, _ *http.Request) {
			if asked++; asked == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		},
		"/v2/trailing": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, r.Trailer.Get("X-Sum"))
		},
		"/v2/breaks": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "not a hundred")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
	})
	d.integration("crm", `{baseUrl: FAR/v2, auth: {none: {}}}`)
	d.integration("private", `{baseUrl: FAR/v2, auth: {none: {}}, headers: {traceparent: none-of-yours}}`)
	host := strings.TrimPrefix(d.FarSide, "http://")
	within := http.Header{"Traceparent": {"00-" + callersTrace + "-" + callersSpan + "-01"}}

	if resp, body := d.callThrough("crm", "GET", "/busy?key=query-secret", "", within); resp.StatusCode != 200 {
		t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	var tree *spanTree
	soon(t, "the whole trace has come", func() bool {
		tree = treeOf(collector.Spans(), callersTrace)
		return len(tree.named("GET"+proxyRoute)) == 1 && len(tree.named("GET "+host)) == 2
	})
	root := tree.named("GET" + proxyRoute)[0]
	if root.Parent != callersSpan || root.Kind != v1.Span_SPAN_KIND_SERVER || root.Failed || root.Attributes["paragon.integration"] != "crm" || root.Attributes["paragon.project"] != "default" {
		t.Errorf("the call is %+v", root)
	}
	for i, s := range tree.named("GET " + host) {
		if s.Parent != root.ID || s.Kind != v1.Span_SPAN_KIND_CLIENT || s.Failed != (i == 0) {
			t.Errorf("attempt %d is %+v", i+1, s)
		}
		if got, want := <-heard, "00-"+callersTrace+"-"+s.ID+"-01"; got != want {
			t.Errorf("attempt %d brought traceparent %s; want %s", i+1, got, want)
		}
	}

	// A body that streams keeps its trailers.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+d.Addr().String()+"/v1/projects/default/integrations/crm/proxy/trailing", io.MultiReader(strings.NewReader("streams")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + d.Token}, "Traceparent": within["Traceparent"]}
	req.Trailer = http.Header{"X-Sum": {"the sum"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "the sum" {
		t.Errorf("the trailer came as %q, %v", body, err)
	}
	<-heard

	// What is not recorded is still one trace, and an integration may keep to itself.
	if resp, body := d.callThrough("crm", "GET", "/busy", "", http.Header{"Traceparent": {"00-" + callersTrace + "-" + callersSpan + "-00"}}); resp.StatusCode != 200 {
		t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	if got := <-heard; !strings.HasPrefix(got, "00-"+callersTrace+"-") || !strings.HasSuffix(got, "-00") {
		t.Errorf("a call that is not recorded brought traceparent %s", got)
	}
	if resp, body := d.callThrough("private", "GET", "/busy", "", within); resp.StatusCode != 200 {
		t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	if got := <-heard; got != "none-of-yours" {
		t.Errorf("an integration with a traceparent of its own was sent %s", got)
	}

	// An answer that breaks off has spans, too, and they say so.
	req, err = http.NewRequestWithContext(t.Context(), http.MethodPut,
		"http://"+d.Addr().String()+"/v1/projects/default/integrations/crm/proxy/breaks", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + d.Token}, "Traceparent": within["Traceparent"]}
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the answer came whole")
	}
	soon(t, "the broken call is in the trace, as failed", func() bool {
		tree = treeOf(collector.Spans(), callersTrace)
		calls, requests := tree.named("PUT"+proxyRoute), tree.named("PUT "+host)
		return len(calls) == 1 && calls[0].Failed && len(requests) == 1 && requests[0].Failed && requests[0].Parent == calls[0].ID
	})
	if n := len(tree.named("GET" + proxyRoute)); n != 2 {
		t.Errorf("%d calls are recorded; want 2, without the one that is not to be", n)
	}
	if text := collector.Text(); strings.Contains(text, "query-secret") {
		t.Errorf("a span has the query: %s", text)
	}
}

// A call whose caller does not wait is one trace, too, over the queue and the
// worker to the far side and to whoever is called back.
func TestTraceOfACallForLater(t *testing.T) {
	d, collector, heard := startTraced(t, map[string]http.HandlerFunc{
		"/v2/contacts": func(http.ResponseWriter, *http.Request) {},
		"/hook":        func(http.ResponseWriter, *http.Request) {},
	})
	d.integration("crm", `{baseUrl: FAR/v2, auth: {none: {}}}`)
	d.secret("PROXY_CALLBACK_SECRET", "whsec_"+base64.StdEncoding.EncodeToString([]byte("0123456789abcdef")))
	header := http.Header{"Prefer": {"respond-async"}, "Paragon-Callback": {d.FarSide + "/hook"}, "Traceparent": {"00-" + callersTrace + "-" + callersSpan + "-01"}}
	resp, body := d.callThrough("crm", "GET", "/contacts", "", header)
	var job api.ProxyJob
	if err := json.Unmarshal([]byte(body), &job); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	host := strings.TrimPrefix(d.FarSide, "http://")
	var tree *spanTree
	soon(t, "the whole trace has come", func() bool {
		tree = treeOf(collector.Spans(), callersTrace)
		return len(tree.named("run paragon.call")) == 1 && len(tree.named("POST "+host)) == 1 && len(tree.named("GET"+proxyRoute)) == 1
	})
	for _, way := range [][]string{
		{"GET " + host, "step call", "segment", "run paragon.call", "accept paragon.call", "GET" + proxyRoute},
		{"POST " + host, "step callback", "segment", "run paragon.call", "accept paragon.call", "GET" + proxyRoute},
	} {
		var got []string
		for s, ok := tree.named(way[0])[0], true; ok; s, ok = tree.byID[s.Parent] {
			got = append(got, s.Name)
		}
		if !slices.Equal(got, way) {
			t.Errorf("from the request up there are %q; want %q", got, way)
		}
	}
	for _, name := range []string{"GET " + host, "POST " + host} {
		if got, want := <-heard, "00-"+callersTrace+"-"+tree.named(name)[0].ID+"-01"; got != want {
			t.Errorf("%s brought traceparent %s; want %s", name, got, want)
		}
	}
	if run := tree.named("run paragon.call")[0]; run.Attributes["paragon.run"] != job.ID {
		t.Errorf("the run of job %s is %+v", job.ID, run)
	}
}
