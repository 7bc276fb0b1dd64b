package daemon_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

const (
	wirePath = "/v1/projects/default/integrations/wire/proxy"
	// hidden is the request that must not come out of another one. It would be
	// let in: it has the key.
	hidden = "GET " + wirePath + "/hidden HTTP/1.1\r\nHost: x\r\nAUTH\r\n\r\n"
	// last ends a connection that nothing else has ended.
	last = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
)

// raw writes bytes to the API as they are, and returns all that it answers until
// it ends the connection.
func (d *dev) raw(text string) string {
	d.t.Helper()
	conn, err := net.Dial("tcp", d.Addr().String())
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, strings.ReplaceAll(text, "AUTH", "Authorization: Bearer "+d.Token)); err != nil {
		return "" // refused before all was read
	}
	answer, err := io.ReadAll(conn)
	if ne, ok := err.(net.Error); ok && ne.Timeout() { //nolint:errorlint // as net returns it
		d.t.Fatalf("no end to the answer %q", answer)
	}
	return string(answer)
}

// A request whose end can be read in two ways brings no second one with it: it is
// refused, or passed on in one clear form, and what follows it is not read.
func TestRequestSmuggling(t *testing.T) {
	d := startDev(t, t.TempDir())
	far := newWire(t)
	d.secret("WIRE_TOKEN", "a-token-for-the-wire")
	d.integration("wire", `{baseUrl: "`+far.url()+`/v2", auth: {bearer: {token: {secret: WIRE_TOKEN}}}}`)
	post := func(headers string) string {
		return "POST " + wirePath + "/first HTTP/1.1\r\nHost: x\r\nAUTH\r\n" + headers + "\r\n"
	}
	const chunked = "Transfer-Encoding: chunked\r\n"
	all := fmt.Sprintf("Content-Length: %d\r\n", len("0\r\n\r\n")+len(strings.ReplaceAll(hidden, "AUTH", "Authorization: Bearer "+d.Token)))
	tests := []struct {
		name, send string
		// status is how the answer begins; body is what the far side gets, "-" for
		// nothing at all.
		status, body string
	}{
		// Two lengths.
		{"CL and TE", post(all+chunked) + "0\r\n\r\n" + hidden, "200", ""},
		{"TE and CL", post(chunked+all) + "0\r\n\r\n" + hidden, "200", ""},
		{"TE and a short CL", post("Content-Length: 4\r\n"+chunked) + "5\r\nhello\r\n0\r\n\r\n" + hidden, "200", "hello"},
		{"two CL", post("Content-Length: 0\r\n"+all) + "0\r\n\r\n" + hidden, "400", "-"},
		{"a list of CL", post("Content-Length: 0, 5\r\n") + hidden, "400", "-"},
		{"a list of the same CL", post("Content-Length: 0, 0\r\n") + hidden, "400", "-"},
		{"CL with a sign", post("Content-Length: +0\r\n") + hidden, "400", "-"},
		{"CL below zero", post("Content-Length: -1\r\n") + hidden, "400", "-"},
		{"CL in hexadecimal", post("Content-Length: 0x0\r\n") + hidden, "400", "-"},
		{"CL in two words", post("Content-Length: 0 5\r\n") + hidden, "400", "-"},
		{"CL of nothing", post("Content-Length: \r\n") + hidden, "400", "-"},
		{"CL too large", post("Content-Length: 18446744073709551616\r\n") + hidden, "400", "-"},
		// Codings that some take for chunked and others don't.
		{"TE identity", post("Transfer-Encoding: identity\r\n"+all) + "0\r\n\r\n" + hidden, "501", "-"},
		{"TE chunked, identity", post("Transfer-Encoding: chunked, identity\r\n"+all) + "0\r\n\r\n" + hidden, "501", "-"},
		{"TE gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n"+all) + "0\r\n\r\n" + hidden, "501", "-"},
		{"TE with a parameter", post("Transfer-Encoding: chunked;q=1\r\n"+all) + "0\r\n\r\n" + hidden, "501", "-"},
		{"TE with a letter more", post("Transfer-Encoding: xchunked\r\n"+all) + "0\r\n\r\n" + hidden, "501", "-"},
		{"TE in quotes", post("Transfer-Encoding: \"chunked\"\r\n"+all) + "0\r\n\r\n" + hidden, "501", "-"},
		{"TE of nothing", post("Transfer-Encoding: \r\n"+all) + "0\r\n\r\n" + hidden, "501", "-"},
		{"TE behind a vertical tab", post("Transfer-Encoding: \vchunked\r\n"+all) + "0\r\n\r\n" + hidden, "400", "-"},
		{"TE before NUL", post("Transfer-Encoding: chunked\x00\r\n"+all) + "0\r\n\r\n" + hidden, "400", "-"},
		{"two TE", post(chunked+"Transfer-Encoding: identity\r\n"+all) + "0\r\n\r\n" + hidden, "501", "-"},
		{"twice the same TE", post(chunked+chunked+all) + "0\r\n\r\n" + hidden, "501", "-"},
		{"a space before the colon", post("Transfer-Encoding : chunked\r\n"+all) + "0\r\n\r\n" + hidden, "400", "-"},
		{"a space before the name", post("X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n") + last, "200", ""},
		{"an underscore", post("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n" + last, "200", "0\r\n\r\n"},
		// Lines.
		{"a folded TE", post("Transfer-Encoding:\r\n chunked\r\n"+all) + "0\r\n\r\n" + hidden, "200", ""},
		{"a folded header", post("X-Fold: a\r\n\tb\r\nContent-Length: 0\r\n") + last, "200", ""},
		{"bare LF", strings.ReplaceAll(post("X-A: b\r\nContent-Length: 0\r\n"), "\r\n", "\n") + last, "200", ""},
		{"bare CR", post("X-A: b\rTransfer-Encoding: chunked\r\n"+all) + "0\r\n\r\n" + hidden, "400", "-"},
		{"NUL in a value", post("X-A: b\x00c\r\nContent-Length: 0\r\n") + hidden, "400", "-"},
		{"a header without a colon", post("X-A\r\nContent-Length: 0\r\n") + hidden, "400", "-"},
		{"two hosts", post("Host: y\r\nContent-Length: 0\r\n") + hidden, "400", "-"},
		// Chunks.
		{"an extension", post(chunked) + "5;a=\"b\"\r\nhello\r\n0;c\r\n\r\n" + hidden, "200", "hello"},
		{"LF in an extension", post(chunked) + "5;a\nb\r\nhello\r\n0\r\n\r\n" + hidden, "400", "-"},
		{"LF behind a size", post(chunked) + "5\nhello\r\n0\r\n\r\n" + hidden, "400", "-"},
		{"LF behind a chunk", post(chunked) + "5\r\nhello\n0\r\n\r\n" + hidden, "400", "-"},
		{"a chunk longer than it says", post(chunked) + "4\r\nhello\r\n0\r\n\r\n" + hidden, "400", "-"},
		{"a size of 65 bits", post(chunked) + "10000000000000005\r\nhello\r\n0\r\n\r\n" + hidden, "400", "-"},
		{"a size with 0x", post(chunked) + "0x5\r\nhello\r\n0\r\n\r\n" + hidden, "400", "-"},
		{"a size below zero", post(chunked) + "-5\r\nhello\r\n0\r\n\r\n" + hidden, "400", "-"},
		{"a size of nothing", post(chunked) + "\r\nhello\r\n0\r\n\r\n" + hidden, "400", "-"},
		{"trailers", post(chunked+"Trailer: X-Sum, Authorization, Paragon-User\r\n") + "5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 3\r\nAuthorization: Bearer mine\r\nPARAGON-USER: u_1\r\nX-Late: 1\r\n\r\n" + hidden, "200", "hello"},
		{"a trailer of framing", post(chunked+"Trailer: Content-Length\r\n") + "5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n" + hidden, "400", "-"},
		// Versions and targets.
		{"HTTP/1.0 and TE", "POST " + wirePath + "/first HTTP/1.0\r\nHost: x\r\nAUTH\r\nConnection: keep-alive\r\nContent-Length: 5\r\n" + chunked + "\r\n0\r\n\r\n" + hidden, "200", "0\r\n\r\n"},
		{"HTTP/1.0 kept alive", "GET " + wirePath + "/first HTTP/1.0\r\nHost: x\r\nAUTH\r\nConnection: keep-alive\r\n\r\n" + hidden, "200", ""},
		{"HTTP/0.9", "GET " + wirePath + "/first\r\n" + hidden, "400", "-"},
		{"HTTP/3.0", "GET " + wirePath + "/first HTTP/3.0\r\nHost: x\r\nAUTH\r\n\r\n" + hidden, "505", "-"},
		{"a request in the target", "GET " + wirePath + "/first HTTP/1.1 GET " + wirePath + "/hidden HTTP/1.1\r\nHost: x\r\nAUTH\r\n\r\n" + hidden, "400", "-"},
		{"CR in the target", "GET " + wirePath + "/first\rX HTTP/1.1\r\nHost: x\r\nAUTH\r\n\r\n" + hidden, "400", "-"},
		{"an escaped request in the target", "GET " + wirePath + "/first%20HTTP/1.1%0d%0aHost:%20x%0d%0a%0d%0aGET%20/hidden HTTP/1.1\r\nHost: x\r\nAUTH\r\n\r\n" + last, "400", "-"},
		{"an escaped request in the query", "GET " + wirePath + "/first?%20HTTP/1.1%0d%0aGET%20/hidden HTTP/1.1\r\nHost: x\r\nAUTH\r\n\r\n" + last, "200", ""},
		{"another host in the target", "GET http://evil.example" + wirePath + "/first HTTP/1.1\r\nHost: evil.example\r\nAUTH\r\n\r\n" + last, "200", ""},
		{"another user in the target", "GET http://me:pw@evil.example" + wirePath + "/first HTTP/1.1\r\nHost: evil.example\r\nAUTH\r\n\r\n" + last, "200", ""},
		{"CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\nAUTH\r\n\r\n" + last, "40", "-"},
		{"CONNECT to a path", "CONNECT " + wirePath + "/first HTTP/1.1\r\nHost: x\r\nAUTH\r\n\r\n" + last, "405", "-"},
		{"an upgrade", post("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 0\r\n") + last, "200", ""},
		{"the credential nominated away", post("Connection: Authorization, Host, Content-Length\r\nContent-Length: 5\r\n") + "hello" + last, "200", "hello"},
		{"100-continue", post("Expect: 100-continue\r\nContent-Length: 5\r\n") + "hello" + last, "200", "hello"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d.t = t
			answer := d.raw(tt.send)
			answer = strings.TrimPrefix(answer, "HTTP/1.1 100 Continue\r\n\r\n")
			if v := strings.TrimPrefix(strings.TrimPrefix(answer, "HTTP/1.1 "), "HTTP/1.0 "); !strings.HasPrefix(v, tt.status) {
				t.Errorf("answered %.300q; want %s", answer, tt.status)
			}
			got, wrong := far.take()
			for _, w := range wrong {
				t.Errorf("the far side got %s", w)
			}
			var whole []wireRequest
			for _, r := range got {
				if strings.HasPrefix(r.line, "GET /v2/hidden") {
					t.Errorf("the hidden request came out: %+v", r)
				}
				if !r.cut {
					whole = append(whole, r)
				}
			}
			if tt.body == "-" {
				if len(whole) > 0 {
					t.Errorf("the far side got %+v", whole)
				}
				return
			}
			if len(whole) != 1 || whole[0].body != tt.body {
				t.Fatalf("the far side got %+v; want one request with the body %q", whole, tt.body)
			}
			r := whole[0]
			if auth, host := r.header("Authorization"), r.header("Host"); len(auth) != 1 || auth[0] != "Bearer a-token-for-the-wire" || host[0] != far.ln.Addr().String() {
				t.Errorf("the far side got Authorization %q and Host %q", auth, host)
			}
			for _, name := range []string{"Transfer_Encoding", "Upgrade", "HTTP2-Settings", "Paragon-User", "X-Late", "Connection"} {
				if v := r.header(name); v != nil {
					t.Errorf("the far side got %s: %q", name, v)
				}
			}
			if sum := r.header("X-Sum"); tt.name == "trailers" && (len(sum) != 1 || sum[0] != "1") {
				t.Errorf("the trailer is lost: %q", r.headers)
			}
		})
	}
	d.t = t
}
