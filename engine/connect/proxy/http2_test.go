package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2 is a connection on which a test says in HTTP/2 whatever it wants.
type h2 struct {
	t      *testing.T
	conn   net.Conn
	framer *http2.Framer
	next   uint32
}

func dialH2(t *testing.T, at *httptest.Server) *h2 {
	t.Helper()
	conn, err := tls.Dial("tcp", at.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) //nolint:gosec // the test's own server
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, http2.ClientPreface)
	must(t, err)
	c := &h2{t: t, conn: conn, framer: http2.NewFramer(conn, conn), next: 1}
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	must(t, c.framer.WriteSettings())
	return c
}

// send sends a request with the fields, which come in pairs, and a body, and
// returns the status of the answer: empty when the stream, or the connection, is
// ended instead.
func (c *h2) send(body string, fields ...string) string {
	c.t.Helper()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for i := 0; i+1 < len(fields); i += 2 {
		must(c.t, enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	stream := c.next
	c.next += 2
	must(c.t, c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: body == ""}))
	if body != "" {
		must(c.t, c.framer.WriteData(stream, true, []byte(body)))
	}
	for {
		frame, err := c.framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			return ""
		}
		must(c.t, err)
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				must(c.t, c.framer.WriteSettingsAck())
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return ""
		case *http2.MetaHeadersFrame:
			if f.StreamID == stream {
				return f.PseudoValue("status")
			}
		}
	}
}

// What HTTP/2 can say and HTTP/1 can't becomes no header and no request of its
// own where a call goes on in HTTP/1.
func TestSmugglingFromHTTP2(t *testing.T) {
	var mu sync.Mutex
	var got []*http.Request
	r := newRig(t, func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		mu.Lock()
		defer mu.Unlock()
		if req.ContentLength >= 0 && int64(len(body)) != req.ContentLength {
			t.Errorf("the far side got %d bytes under a length of %d", len(body), req.ContentLength)
		}
		got = append(got, req)
	})
	front := httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
	front.EnableHTTP2 = true
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of each refusal
	front.StartTLS()
	t.Cleanup(front.Close)
	const hidden = "GET /v2/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
	usual := func(more ...string) []string {
		return append([]string{":method", "POST", ":scheme", "https", ":authority", "x", ":path", "/proxy/x"}, more...)
	}
	for name, tt := range map[string]struct {
		body   string
		fields []string
		// good calls reach the far side once; it gets the space of a path escaped,
		// and the length of what was sent. Others reach it not at all, or break off.
		good bool
	}{
		"as usual":                  {"hello", usual("x-a", "b"), true},
		"a length":                  {"hello", usual("content-length", "5"), true},
		"a length too short":        {"hello" + hidden, usual("content-length", "5"), false},
		"a length too long":         {"hello", usual("content-length", "50"), false},
		"two lengths":               {"hello", usual("content-length", "5", "content-length", "0"), true},
		"a coding":                  {"0\r\n\r\n" + hidden, usual("transfer-encoding", "chunked"), false},
		"a connection":              {"hello", usual("connection", "x-a"), false},
		"a break in a value":        {"", usual("x-a", "b\r\nX-Evil: 1"), false},
		"a request in a value":      {"", usual("x-a", "b\r\n\r\n"+hidden), false},
		"LF in a value":             {"", usual("x-a", "b\nX-Evil: 1"), false},
		"NUL in a value":            {"", usual("x-a", "b\x00c"), false},
		"a break in a name":         {"", usual("x-a\r\nx-evil", "1"), false},
		"a colon in a name":         {"", usual("x-a: 1\r\nx-evil", "1"), false},
		"a name in capitals":        {"", usual("X-A", "1"), false},
		"a space in a name":         {"", usual("x evil", "1"), false},
		"a request in the path":     {"", []string{":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/proxy/x HTTP/1.1\r\nHost: x\r\n\r\n" + hidden}, false},
		"a space in the path":       {"", []string{":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/proxy/x HTTP/1.1"}, true},
		"a request in the method":   {"", []string{":method", "GET /v2/hidden HTTP/1.1\r\nX: y", ":scheme", "https", ":authority", "x", ":path", "/proxy/x"}, false},
		"a break in the host":       {"", []string{":method", "GET", ":scheme", "https", ":authority", "x\r\nX-Evil: 1", ":path", "/proxy/x"}, false},
		"two paths":                 {"", usual(":path", "/proxy/hidden"), false},
		"a path behind the headers": {"", []string{":method", "GET", ":scheme", "https", ":authority", "x", "x-a", "b", ":path", "/proxy/x"}, false},
		"no path":                   {"", []string{":method", "GET", ":scheme", "https", ":authority", "x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			mu.Lock()
			got = nil
			mu.Unlock()
			status := dialH2(t, front).send(tt.body, tt.fields...)
			if (status == "200") != tt.good {
				t.Errorf("answered %q", status)
			}
			mu.Lock()
			defer mu.Unlock()
			if tt.good && (len(got) != 1 || strings.Contains(got[0].RequestURI, " ")) || len(got) > 1 {
				t.Errorf("the far side got %d requests", len(got))
			}
			for _, req := range got {
				if strings.Contains(req.URL.Path, "hidden") || req.Header.Get("X-Evil") != "" || req.Host != r.far.Listener.Addr().String() {
					t.Errorf("the far side got %s %s of %s %v", req.Method, req.RequestURI, req.Host, req.Header)
				}
			}
		})
	}
}
