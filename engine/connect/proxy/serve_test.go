package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"paragon/schema"
)

func TestTheFarSideGetsWhatWasSent(t *testing.T) {
	var got *http.Request
	var body []byte
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		got = req.Clone(req.Context())
		body, _ = io.ReadAll(req.Body)
	})
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
		text := `{"name":"Ada"}`
		if method == "GET" || method == "HEAD" {
			text = ""
		}
		resp := r.do(method, "/contacts/a%2Fb//c?q=1&q=%20;x&empty", text,
			"Authorization", "Bearer paragon-key", "Paragon-User", "u_1", "Paragon-Account", "main", "X-Custom", "one", "X-Custom", "two",
			"Connection", "X-Drop, Keep-Alive", "X-Drop", "1", "Keep-Alive", "timeout=5", "Proxy-Authorization", "Basic x", "Te", "trailers, deflate",
			"Upgrade", "websocket", "X-Forwarded-For", "10.0.0.1", "Forwarded", "for=10.0.0.1", "Traceparent", "00-1-1-00", "Content-Type", "application/json",
			"Prefer", "return=minimal, respond-async", "Accept-Encoding", "br")
		r.want(resp, 200)
		if got.Method != method || string(body) != text {
			t.Errorf("%s: the far side got %s with %q", method, got.Method, body)
		}
		if got.RequestURI != "/v2/contacts/a%2Fb//c?q=1&q=%20;x&empty" {
			t.Errorf("%s: the far side was asked for %s", method, got.RequestURI)
		}
		want := http.Header{
			"Authorization": {"Bearer " + credential}, "X-Custom": {"one", "two"}, "Te": {"trailers"}, "User-Agent": {"Go-http-client/1.1"},
			"Content-Type": {"application/json"}, "Prefer": {"return=minimal"}, "Accept-Encoding": {"br"},
			"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		}
		if len(text) > 0 {
			want.Set("Content-Length", fmt.Sprint(len(text)))
		} else {
			got.Header.Del("Content-Length")
		}
		for name := range got.Header {
			if !slices.Equal(got.Header[name], want[name]) {
				t.Errorf("%s: header %s is %q; want %q", method, name, got.Header[name], want[name])
			}
			delete(want, name)
		}
		for name := range want {
			t.Errorf("%s: header %s is missing", method, name)
		}
		if got.Host != r.far.Listener.Addr().String() {
			t.Errorf("%s: the host is %s", method, got.Host)
		}
	}
}

func TestTheAnswerIsPassedOnUnchanged(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte("hello"))
	_ = z.Close()
	tests := []struct {
		name   string
		answer string
		body   string
	}{
		{"bare", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n<b", "<b"},
		{"no content", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", ""},
		{"not modified", "HTTP/1.1 304 Not Modified\r\nEtag: \"x\"\r\n\r\n", ""},
		{"redirect", "HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n", ""},
		{"error", "HTTP/1.1 418 I'm a teapot\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n{}", "{}"},
		{"compressed", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + fmt.Sprint(zipped.Len()) + "\r\n\r\n" + zipped.String(), zipped.String()},
		{"private to the connection", "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Stay: 1\r\nContent-Length: 0\r\n\r\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				must(t, err)
				_, _ = io.WriteString(conn, test.answer)
				_ = conn.Close()
			})
			want, err := http.ReadResponse(bufio.NewReader(strings.NewReader(test.answer)), &http.Request{Method: "GET"})
			must(t, err)
			want.Header.Del("Connection")
			want.Header.Del("X-Hop")
			resp := r.do("GET", "/x", "", "Accept-Encoding", "gzip")
			if body := r.want(resp, want.StatusCode); body != test.body {
				t.Errorf("body %q; want %q", body, test.body)
			}
			for name, values := range resp.Header {
				if !slices.Equal(values, want.Header[name]) {
					t.Errorf("header %s is %q; want %q", name, values, want.Header[name])
				}
			}
			for name := range want.Header {
				if _, ok := resp.Header[name]; !ok {
					t.Errorf("header %s is missing", name)
				}
			}
			_ = want.Body.Close()
		})
	}
}

func TestTrailersGoBothWays(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", req.Trailer.Get("X-Sent"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	})
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.front.URL+"/proxy/x", io.NopCloser(strings.NewReader("abc")))
	must(t, err)
	req.Trailer = http.Header{"X-Sent": {"1"}}
	resp, err := http.DefaultTransport.RoundTrip(req)
	must(t, err)
	defer resp.Body.Close()
	if body := r.want(resp, 200); body != "body" {
		t.Errorf("body %q", body)
	}
	if resp.Trailer.Get("X-Sum") != "1" || resp.Trailer.Get("X-Late") != "2" {
		t.Errorf("trailers are %v", resp.Trailer)
	}
}

// Each piece of the request reaches the far side, and each piece of its answer
// the caller, before the next is sent.
func TestBodiesStreamBothWays(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		ctl := http.NewResponseController(w)
		_ = ctl.EnableFullDuplex()
		buf := make([]byte, 100)
		for {
			n, err := req.Body.Read(buf)
			if n > 0 {
				_, _ = w.Write(bytes.ToUpper(buf[:n]))
				_ = ctl.Flush()
			}
			if err != nil {
				return
			}
		}
	})
	reader, writer := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.front.URL+"/proxy/x", reader)
	must(t, err)
	first := make(chan struct{})
	go func() { defer close(first); _, _ = io.WriteString(writer, "one") }()
	resp, err := http.DefaultTransport.RoundTrip(req)
	must(t, err)
	defer resp.Body.Close()
	<-first
	buf := make([]byte, 3)
	for i, piece := range []string{"one", "two", "six"} {
		if i > 0 {
			_, err := io.WriteString(writer, piece)
			must(t, err)
		}
		if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != strings.ToUpper(piece) {
			t.Fatalf("got %q, %v; want %s", buf, err, strings.ToUpper(piece))
		}
	}
	_ = writer.Close()
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
		t.Errorf("the rest is %q, %v", rest, err)
	}
	must(t, r.ended())
	if c := r.calls(); len(c) != 1 || c[0].Sent != 9 || c[0].Received != 9 || c[0].Status != 200 {
		t.Errorf("recorded %+v", c)
	}
}

func TestLargeBodiesPassUnchanged(t *testing.T) {
	sent := make([]byte, 1<<20)
	_, _ = rand.Read(sent)
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		_, _ = w.Write(body)
	})
	resp := r.do("PUT", "/file", string(sent))
	if got := r.want(resp, 200); got != string(sent) {
		t.Errorf("%d bytes came back, and not those that were sent", len(got))
	}
	if body := r.want(r.do("PUT", "/file", string(sent)+"x"), 413); !strings.Contains(body, "1048576") {
		t.Errorf("said %q", body)
	}
	// Of unknown length: known to be too large only on the way.
	req, err := http.NewRequestWithContext(t.Context(), "PUT", r.front.URL+"/proxy/file", io.MultiReader(bytes.NewReader(sent), strings.NewReader("x")))
	must(t, err)
	resp, err = http.DefaultTransport.RoundTrip(req)
	must(t, err)
	defer resp.Body.Close()
	r.want(resp, 413)
}

func TestAnswersOverTheLimit(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/v2/known" {
			w.Header().Set("Content-Length", fmt.Sprint(1<<20+1))
		}
		_, _ = w.Write(make([]byte, 1<<20+1))
	})
	if body := r.want(r.do("GET", "/known", ""), 502); !strings.Contains(body, "1048577 bytes") {
		t.Errorf("said %q", body)
	}
	_ = r.ended()
	resp := r.do("GET", "/unknown", "")
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("an answer that was cut off ended as if it were whole")
	}
	if err := r.ended(); !errors.Is(err, errBroken) {
		t.Errorf("ended with %v", err)
	}
	for _, c := range r.calls() {
		if c.ErrorType != schema.ProxyErrorTooLarge {
			t.Errorf("recorded %+v", c)
		}
	}
}

// TRACE would show the caller the credential.
func TestMethodsThatAreNotPassedOn(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {})
	r.want(r.do("TRACE", "/x", ""), 405)
	if n := r.sent.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestTimeouts(t *testing.T) {
	hold := make(chan struct{})
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/v2/half" {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
		}
		<-hold
	})
	defer close(hold)
	r.target.Timeout = 300 * time.Millisecond
	if body := r.want(r.do("GET", "/never", ""), 504); body != "crm did not answer within 300ms" {
		t.Errorf("said %q", body)
	}
	_ = r.ended()
	resp := r.do("GET", "/half", "")
	if body, err := io.ReadAll(resp.Body); err == nil || string(body) != "half" {
		t.Errorf("read %q, %v", body, err)
	}
	if err := r.ended(); !errors.Is(err, errBroken) {
		t.Errorf("ended with %v", err)
	}
	for _, c := range r.calls() {
		if c.ErrorType != schema.ProxyErrorTimeout || c.Attempts != 1 {
			t.Errorf("recorded %+v", c)
		}
	}
}

// A body may take longer than the timeout, as long as it flows.
func TestABodyThatFlowsIsNotCutOff(t *testing.T) {
	const pieces, each = 12, 100 * time.Millisecond
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		for range pieces {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(each) // the pace of the far side
		}
	})
	r.target.Timeout = pieces * each / 2
	if body := r.want(r.do("GET", "/", ""), 200); len(body) != pieces {
		t.Errorf("%d pieces came", len(body))
	}
}

func TestACallerThatGoesAwayEndsTheCall(t *testing.T) {
	gone := make(chan struct{})
	r := newRig(t, func(_ http.ResponseWriter, req *http.Request) {
		<-req.Context().Done()
		close(gone)
	})
	conn, err := net.Dial("tcp", r.front.Listener.Addr().String())
	must(t, err)
	_, err = io.WriteString(conn, "GET /proxy/x HTTP/1.1\r\nHost: x\r\n\r\n")
	must(t, err)
	for deadline := time.Now().Add(10 * time.Second); r.sent.Load() == 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	_ = conn.Close()
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the far side still works for nobody")
	}
	_ = r.ended()
	if c := r.calls(); len(c) != 1 || c[0].ErrorType != schema.ProxyErrorCanceled {
		t.Errorf("recorded %+v", c)
	}
}

func TestWhatIsRecorded(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.WriteHeader(404)
		_, _ = io.WriteString(w, "nothing here")
	})
	begun := time.Now()
	r.want(r.do("POST", "/contacts/%C3%A4?token=secret", "hello"), 404)
	must(t, r.ended())
	all := r.calls()
	if len(all) != 1 {
		t.Fatalf("%d calls are recorded", len(all))
	}
	c := all[0]
	if at, ok := schema.ProxyCallIDTime(c.ID); !ok || at.Before(begun.Truncate(time.Millisecond)) || c.StartedAt.Before(begun.Truncate(time.Microsecond)) || c.DurationMs <= 0 {
		t.Errorf("recorded %+v", c)
	}
	c.ID, c.StartedAt, c.DurationMs = "", time.Time{}, 0
	want := schema.ProxyCall{Project: "default", Integration: "crm", User: "u_1", Actor: "backend", Method: "POST", Path: "/contacts/%C3%A4",
		Status: 404, Sent: 5, Received: 12, Attempts: 1, TraceID: "abc"}
	if c != want {
		t.Errorf("recorded\n%+v, want\n%+v", c, want)
	}
}

// That a caller's body breaks off says nothing about the far side: it is no
// failure of its, and does not open the circuit breaker.
func TestBodiesThatBreakOffAreTheCallers(t *testing.T) {
	r := newRig(t, func(_ http.ResponseWriter, req *http.Request) { _, _ = io.Copy(io.Discard, req.Body) })
	for range 2 * breakerLeast {
		conn, err := net.Dial("tcp", r.front.Listener.Addr().String())
		must(t, err)
		_, err = io.WriteString(conn, "POST /proxy/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nno size\r\n")
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		if body := r.want(resp, 400); !strings.Contains(body, "to its end") {
			t.Fatalf("said %q", body)
		}
		_ = conn.Close()
	}
	r.want(r.do("GET", "/x", ""), 200)
}

// A body that flows for a user who is disabled or deleted meanwhile is cut off.
func TestAFlowEndsWithItsUser(t *testing.T) {
	var gone atomic.Bool
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-req.Context().Done():
				return
			case <-tick.C: // the pace of the far side
				_, _ = io.WriteString(w, "x")
				_ = http.NewResponseController(w).Flush()
			}
		}
	}, func(o *Options) {
		o.Stopped = func(_ context.Context, project, user string) (bool, error) {
			return gone.Load() && project == "default" && user == "u_1", nil
		}
	})
	resp := r.do("GET", "/events", "")
	if _, err := io.ReadFull(resp.Body, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	gone.Store(true)
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("the answer ended as if it were whole")
	}
	_ = r.ended()
	if c := r.calls(); len(c) != 1 || c[0].ErrorType != schema.ProxyErrorRefused || !strings.Contains(c[0].Error, errStopped.Error()) {
		t.Errorf("recorded %+v", c)
	}
}
