package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"paragon/engine/logs"
	"paragon/engine/outbound"
	"paragon/engine/queue"
	"paragon/engine/record"
	"paragon/engine/servicetest"
	"paragon/schema"
)

func TestMain(m *testing.M) { servicetest.Main(m) }

const credential = "far-side-token"

// rig is a far side, a proxy to it, and a server in front of the proxy.
type rig struct {
	t     testing.TB
	proxy *Proxy
	mini  *miniredis.Miniredis
	rdb   redis.UniversalClient
	far   *httptest.Server
	front *httptest.Server
	// target is what calls get; change it before the first call.
	target Target
	// refused is called after a 401; nil has no other credential.
	refused func(*Target) (*Target, error)
	sent    atomic.Int64 // requests that reached the far side
	last    chan error   // how each call ended
}

func (r *rig) Target(context.Context, Caller) (*Target, error) { t := r.target; return &t, nil }

func (r *rig) Refused(_ context.Context, t *Target) (*Target, error) {
	if r.refused == nil {
		return nil, nil
	}
	return r.refused(t)
}

func newRig(t testing.TB, far http.HandlerFunc, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, last: make(chan error, 10_000)}
	r.far = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.sent.Add(1)
		far(w, req)
	}))
	t.Cleanup(r.far.Close)
	base, err := url.Parse(r.far.URL + "/v2")
	must(t, err)
	r.target = Target{Base: base, Credential: "shared", Timeout: 20 * time.Second, Authorize: bearer(credential)}
	r.mini = miniredis.RunT(t)
	r.rdb = redis.NewClient(&redis.Options{Addr: r.mini.Addr()})
	t.Cleanup(func() { _ = r.rdb.Close() })
	transport := outbound.NewRawTransport(outbound.Settings{AllowLoopback: true})
	t.Cleanup(transport.CloseIdleConnections)
	opts := Options{Targets: r, Transport: transport, Redis: r.rdb, Lanes: 2, MaxBody: 1 << 20}
	for _, c := range change {
		c(&opts)
	}
	r.proxy = New(opts)
	r.proxy.Start(t.Context())
	t.Cleanup(func() { must(t, r.proxy.Stop(context.Background())) })
	r.front = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.front.Close)
	return r
}

func bearer(token string) func(*http.Request) error {
	return func(r *http.Request) error { r.Header.Set("Authorization", "Bearer "+token); return nil }
}

// serve is what the API does around a call.
func (r *rig) serve(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	var ended error = errBroken
	defer func() { r.last <- ended }()
	ended = r.proxy.Serve(w, req, Call{Caller: Caller{Project: "default", Integration: "crm", User: "u_1"}, Actor: "backend",
		Path: strings.TrimPrefix(req.URL.EscapedPath(), "/proxy"), TraceID: "abc", TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	var p *schema.Problem
	if errors.As(ended, &p) {
		w.Header().Set("Content-Type", schema.ProblemContentType)
		w.WriteHeader(p.Status)
		_, _ = io.WriteString(w, p.Detail)
	}
}

// do sends a request to the proxy. Headers come in pairs.
func (r *rig) do(method, path, body string, headers ...string) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.front.URL+"/proxy"+path, strings.NewReader(body))
	must(r.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	must(r.t, err)
	r.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// want fails unless the answer has the status, and returns its body.
func (r *rig) want(resp *http.Response, status int) string {
	r.t.Helper()
	body, err := io.ReadAll(resp.Body)
	must(r.t, err)
	if resp.StatusCode != status {
		r.t.Fatalf("status %d, want %d: %s", resp.StatusCode, status, body)
	}
	return string(body)
}

// calls are the records of the calls so far, as they are in the log.
func (r *rig) calls() []schema.ProxyCall {
	r.t.Helper()
	must(r.t, r.proxy.journal.flush(r.t.Context()))
	var out []schema.ProxyCall
	for lane := range 2 {
		entries, err := r.rdb.XRange(r.t.Context(), logs.CallsKey(lane), "-", "+").Result()
		must(r.t, err)
		for _, e := range entries {
			for key, value := range e.Values {
				var c schema.ProxyCall
				text, _ := value.(string)
				must(r.t, record.ParseProxyCall(text, &c))
				if key != logs.ProxyCallKey(c.ID) {
					r.t.Errorf("row %s holds call %s", key, c.ID)
				}
				out = append(out, c)
			}
		}
		var bytes int64
		for _, e := range entries {
			for _, value := range e.Values {
				text, _ := value.(string)
				bytes += int64(len(text))
			}
		}
		if n, _ := r.rdb.Get(r.t.Context(), queue.Key(lane, "logbytes")).Int64(); n != bytes {
			r.t.Errorf("lane %d counts %d bytes of log, and has %d", lane, n, bytes)
		}
	}
	return out
}

// ended waits for a call to end, and is how it did.
func (r *rig) ended() error {
	r.t.Helper()
	select {
	case err := <-r.last:
		return err
	case <-time.After(20 * time.Second):
		r.t.Fatal("the call does not end")
		return nil
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
