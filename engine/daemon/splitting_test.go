package daemon_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// scripted is a far side that answers each connection's first request with the
// same bytes, and ends the connection.
func scripted(t *testing.T, answer string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					_, _ = io.WriteString(conn, answer)
				}
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); serving.Wait() })
	return "http://" + ln.Addr().String()
}

// An answer whose end can be read in two ways does not become two for the caller:
// it is passed on in one clear form, refused, or breaks off with the connection.
func TestResponseSplitting(t *testing.T) {
	d := startDev(t, t.TempDir())
	const (
		ok     = "HTTP/1.1 200 OK\r\n"
		second = "HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil"
		broken = -1 // the answer breaks off, and the connection with it
	)
	for _, tt := range []struct {
		name, answer string
		status       int
		body         string
	}{
		{"as usual", ok + "Content-Length: 5\r\n\r\nhello", 200, "hello"},
		{"CL and TE", ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, "hello"},
		{"two CL", ok + "Content-Length: 5\r\nContent-Length: 50\r\n\r\nhello", 502, ""},
		{"CL with a sign", ok + "Content-Length: +5\r\n\r\nhello", 502, ""},
		{"an unknown coding", ok + "Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 502, ""},
		{"two codings", ok + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502, ""},
		{"a second answer behind", ok + "Content-Length: 5\r\n\r\nhello" + second, 200, "hello"},
		{"a second answer behind chunks", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + second, 200, "hello"},
		{"a body of 204", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n" + second, 204, ""},
		{"a body of 304", "HTTP/1.1 304 Not Modified\r\n\r\n" + second, 304, ""},
		{"until the end", "HTTP/1.0 200 OK\r\n\r\nhello" + second, 200, "hello" + second},
		{"shorter than it says", ok + "Content-Length: 50\r\n\r\nhello", broken, ""},
		{"a bad chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nz\r\n" + second, broken, ""},
		{"a chunk cut short", ok + "Transfer-Encoding: chunked\r\n\r\n50\r\nhello", broken, ""},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + second, 502, ""},
		{"an interim answer", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", 200, "hello"},
		{"no HTTP", "SSH-2.0-OpenSSH_9.9\r\n", 502, ""},
		{"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n", 502, ""},
		{"a status below zero", "HTTP/1.1 -20 OK\r\n\r\n", 502, ""},
		{"NUL in a header", ok + "X-A: b\x00c\r\nContent-Length: 5\r\n\r\nhello", 502, ""},
		{"a bare CR in a header", ok + "X-A: b\rX-Evil: 1\r\nContent-Length: 5\r\n\r\nhello", 502, ""},
		{"a header that never ends", ok + "X-A: " + strings.Repeat("b", 300<<10) + "\r\n\r\n", 502, ""},
		{"trailers of framing", ok + "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "hello"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.t = t
			// Each answer comes from a far side of its own: what one sends unasked
			// may be taken for its next answer, never for another's.
			url := scripted(t, tt.answer)
			d.integration("wire", `{baseUrl: "`+url+`/v2", retry: {maxAttempts: 1}}`)
			text := d.raw("GET " + wirePath + "/x HTTP/1.1\r\nHost: x\r\nAUTH\r\n\r\n" + last)
			in := bufio.NewReader(strings.NewReader(text))
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("answered %.300q: %v", text, err)
			}
			body, err := io.ReadAll(resp.Body)
			if tt.status == broken {
				if rest, _ := io.ReadAll(in); err == nil || len(rest) > 0 {
					t.Errorf("an answer that broke off: %q, %v, and then %q", body, err, rest)
				}
				return
			}
			if resp.StatusCode != tt.status || err != nil || tt.status < 400 && string(body) != tt.body {
				t.Errorf("answered %d %q, %v; want %d %q", resp.StatusCode, body, err, tt.status, tt.body)
			}
			if resp.Header.Get("X-Evil") != "" || resp.Trailer.Get("Content-Length") != "" || resp.Trailer.Get("Transfer-Encoding") != "" {
				t.Errorf("headers %v, trailers %v", resp.Header, resp.Trailer)
			}
			if resp.Close {
				return
			}
			// What comes next on the connection answers what was asked next.
			resp, err = http.ReadResponse(in, nil)
			if err != nil {
				t.Fatalf("behind the answer: %v in %.300q", err, text)
			}
			body, err = io.ReadAll(resp.Body)
			rest, _ := io.ReadAll(in)
			if err != nil || resp.StatusCode != 200 || resp.Header.Get("X-Evil") != "" || strings.Contains(string(body), "evil") || len(rest) > 0 {
				t.Errorf("behind the answer: %d %q %v, and then %q", resp.StatusCode, body, err, rest)
			}
		})
	}
	d.t = t
}
