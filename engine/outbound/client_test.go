package outbound

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mccutchen/go-httpbin/v2/httpbin"

	"paragon/workflows/exchange"
)

// client is a client that may reach the servers of the tests.
func client(t *testing.T, change ...func(*Settings)) *exchange.Client {
	t.Helper()
	s := Settings{AllowLoopback: true}
	for _, f := range change {
		f(&s)
	}
	c := New(s)
	t.Cleanup(c.Close)
	return c
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func request(t *testing.T, method, url string, body string) *http.Request {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func wantKind(t *testing.T, err error, kind exchange.Kind) {
	t.Helper()
	if exchange.KindOf(err) != kind {
		t.Fatalf("kind %q, want %q: %v", exchange.KindOf(err), kind, err)
	}
}

func TestDoAgainstHTTPBin(t *testing.T) {
	bin := httptest.NewServer(httpbin.New())
	defer bin.Close()
	c := client(t)
	for _, tc := range []struct {
		method, path, body string
		status             int
		contains           string
	}{
		{"GET", "/get?a=1", "", 200, `"a"`},
		{"POST", "/post", `{"x":1}`, 200, "eyJ4IjoxfQ=="},
		{"PUT", "/put", "plain", 200, "cGxhaW4="},
		{"DELETE", "/delete", "", 200, "url"},
		{"GET", "/status/418", "", 418, ""},
		{"GET", "/status/503", "", 503, ""},
		{"GET", "/gzip", "", 200, `"gzipped": true`},
		{"GET", "/redirect/3", "", 200, `"url"`},
		{"GET", "/user-agent", "", 200, "paragon"},
		{"GET", "/bytes/2000?seed=1", "", 200, ""},
		{"GET", "/stream/3", "", 200, `"id"`},
		{"HEAD", "/get", "", 200, ""},
	} {
		resp, err := c.Do(context.Background(), request(t, tc.method, bin.URL+tc.path, tc.body), exchange.Options{})
		if err != nil {
			t.Errorf("%s %s: %v", tc.method, tc.path, err)
			continue
		}
		if resp.Status != tc.status || !strings.Contains(string(resp.Body), tc.contains) {
			t.Errorf("%s %s: %d %s", tc.method, tc.path, resp.Status, resp.Body)
		}
	}
}

func TestTraceParent(t *testing.T) {
	var got string
	s := server(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Traceparent") })
	c := client(t)
	const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for given, want := range map[string]string{
		valid:     valid,
		"":        "",
		"garbage": "",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": "",
	} {
		if _, err := c.Do(context.Background(), request(t, "GET", s.URL, ""), exchange.Options{TraceParent: given}); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%q arrived as %q", given, got)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	bomb := func() []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		block := make([]byte, 1<<20)
		for range 64 {
			z.Write(block)
		}
		z.Close()
		return b.Bytes()
	}()
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/declared":
			w.Header().Set("Content-Length", "5000000")
			w.Write(make([]byte, 4096))
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb)
		case "/exact":
			w.(http.Flusher).Flush() // chunked: no length to go by
			w.Write(make([]byte, 1000))
		}
	})
	c := client(t)
	for _, path := range []string{"/declared", "/endless", "/bomb"} {
		_, err := c.Do(context.Background(), request(t, "GET", s.URL+path, ""), exchange.Options{MaxBody: 100_000})
		if exchange.KindOf(err) != exchange.KindTooLarge {
			t.Errorf("%s: %v", path, err)
		}
	}
	resp, err := c.Do(context.Background(), request(t, "GET", s.URL+"/exact", ""), exchange.Options{MaxBody: 1000})
	if err != nil || len(resp.Body) != 1000 {
		t.Errorf("a body of the size of the limit: %v", err)
	}
	_, err = c.Do(context.Background(), request(t, "GET", s.URL+"/exact", ""), exchange.Options{MaxBody: 999})
	wantKind(t, err, exchange.KindTooLarge)
}

func TestHugeHeaderIsRefused(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Big", strings.Repeat("a", 1<<20))
	})
	_, err := client(t).Do(context.Background(), request(t, "GET", s.URL, ""), exchange.Options{})
	wantKind(t, err, exchange.KindNetwork)
}

func TestTimeouts(t *testing.T) {
	release := make(chan struct{})
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slowbody" {
			w.Write([]byte("beginning"))
			w.(http.Flusher).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	c := client(t)
	for _, path := range []string{"/hung", "/slowbody"} {
		_, err := c.Do(context.Background(), request(t, "GET", s.URL+path, ""), exchange.Options{Timeout: 50 * time.Millisecond})
		if exchange.KindOf(err) != exchange.KindTimeout {
			t.Errorf("%s: %v", path, err)
		}
	}
	quick := client(t, func(s *Settings) { s.HeaderTimeout = 50 * time.Millisecond })
	_, err := quick.Do(context.Background(), request(t, "GET", s.URL+"/hung", ""), exchange.Options{})
	wantKind(t, err, exchange.KindTimeout)

	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = c.Do(ctx, request(t, "GET", s.URL+"/hung", ""), exchange.Options{})
	wantKind(t, err, exchange.KindCanceled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not wrap context.Canceled", err)
	}
}

// listen serves raw connections, one goroutine each, until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer conn.Close(); serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return "http://" + l.Addr().String()
}

func TestBrokenServers(t *testing.T) {
	readRequest := func(c net.Conn) {
		buf := make([]byte, 4096)
		c.Read(buf)
	}
	for name, serve := range map[string]func(net.Conn){
		"closes at once":    func(net.Conn) {},
		"closes after read": readRequest,
		"is not HTTP":       func(c net.Conn) { readRequest(c); io.WriteString(c, "SSH-2.0-OpenSSH\r\n\r\n") },
		"cuts the body": func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
		},
		"bad chunk": func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
		},
		"gzip that is not": func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd")
		},
		"two lengths differ": func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client(t).Do(context.Background(), request(t, "POST", listen(t, serve), "x"), exchange.Options{Timeout: 5 * time.Second})
			wantKind(t, err, exchange.KindNetwork)
			if !exchange.KindOf(err).Temporary() {
				t.Error("a network failure can be tried again")
			}
		})
	}
}

func TestConnectionRefusedAndUnknownHost(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	url := "http://" + l.Addr().String()
	l.Close()
	_, err := client(t).Do(context.Background(), request(t, "GET", url, ""), exchange.Options{})
	wantKind(t, err, exchange.KindNetwork)
}

func TestBadTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = discard
	s.StartTLS()
	defer s.Close()
	_, err := client(t).Do(context.Background(), request(t, "GET", s.URL, ""), exchange.Options{})
	wantKind(t, err, exchange.KindNetwork)
	if !strings.Contains(err.Error(), "certificate") {
		t.Errorf("the error does not say that it is the certificate: %v", err)
	}
}

func TestInvalidRequests(t *testing.T) {
	c := client(t)
	for _, u := range []string{"ftp://example.com/", "file:///etc/passwd", "http:///nohost", "gopher://x", "//example.com", "javascript:alert(1)"} {
		req := request(t, "GET", "http://x/", "")
		parsed, err := req.URL.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		if u == "//example.com" {
			parsed.Scheme = ""
		}
		req.URL = parsed
		_, err = c.Do(context.Background(), req, exchange.Options{})
		if exchange.KindOf(err) != exchange.KindInvalid {
			t.Errorf("%s: %v", u, err)
		}
	}
	for name, value := range map[string]string{"X-A": "a\r\nX-Injected: 1", "X-B": "a\nb", "X-C": "a\x00b", "Bad Name": "v", "": "v"} {
		req := request(t, "GET", "http://127.0.0.1:1/", "")
		req.Header[name] = []string{value}
		_, err := c.Do(context.Background(), req, exchange.Options{})
		if exchange.KindOf(err) != exchange.KindInvalid {
			t.Errorf("header %q: %v", name, err)
		}
	}
}

func TestErrorsDoNotShowTheQuery(t *testing.T) {
	_, err := New(Settings{}).Do(context.Background(), request(t, "GET", "http://user:hunter2@127.0.0.1:9/a?key=hunter2", ""), exchange.Options{})
	wantKind(t, err, exchange.KindBlocked)
	if strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "GET http://127.0.0.1:9/a") {
		t.Errorf("%v", err)
	}
}

func TestObserve(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") })
	var seen []exchange.Exchange
	c := client(t, func(s *Settings) { s.Observe = func(x exchange.Exchange) { seen = append(seen, x) } })
	c.Do(context.Background(), request(t, "GET", s.URL, ""), exchange.Options{})
	c.Do(context.Background(), request(t, "GET", s.URL, ""), exchange.Options{MaxBody: 1})
	c.Do(context.Background(), request(t, "GET", "ftp://x/", ""), exchange.Options{})
	if len(seen) != 3 || seen[0].Status != 200 || seen[0].Received != 5 || seen[0].Kind != "" ||
		seen[1].Kind != exchange.KindTooLarge || seen[2].Kind != exchange.KindInvalid {
		t.Errorf("%+v", seen)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	var mu sync.Mutex
	opened := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			mu.Lock()
			opened++
			mu.Unlock()
		}
	}
	s.Start()
	defer s.Close()
	c := client(t)
	for range 20 {
		if _, err := c.Do(context.Background(), request(t, "GET", s.URL, ""), exchange.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if opened != 1 {
		t.Errorf("%d connections for 20 requests", opened)
	}
}
