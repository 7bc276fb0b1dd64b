package daemon_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// wire is a far side that takes HTTP/1.1 by the letter alone: no bare line
// feeds, no folded lines, one way to frame a body. What net/http would forgive, it
// takes note of.
type wire struct {
	t    *testing.T
	ln   net.Listener
	done sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	got   []wireRequest
	wrong []string
}

// wireRequest is a request as it stood on the wire.
type wireRequest struct {
	line    string
	headers []string // NAME: VALUE
	body    string
	// cut says that the connection ended before the body did.
	cut bool
}

func (r wireRequest) header(name string) (values []string) {
	for _, line := range r.headers {
		if n, v, _ := strings.Cut(line, ": "); strings.EqualFold(n, name) {
			values = append(values, v)
		}
	}
	return values
}

func newWire(t *testing.T) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, ln: ln}
	w.done.Go(w.accept)
	t.Cleanup(w.close)
	return w
}

func (w *wire) url() string { return "http://" + w.ln.Addr().String() }

func (w *wire) close() {
	_ = w.ln.Close()
	w.mu.Lock()
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.done.Wait()
}

func (w *wire) accept() {
	for {
		conn, err := w.ln.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		w.conns = append(w.conns, conn)
		w.mu.Unlock()
		w.done.Go(func() { w.serve(conn) })
	}
}

// take hands over what has come since the last time.
func (w *wire) take() (got []wireRequest, wrong []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	got, wrong = w.got, w.wrong
	w.got, w.wrong = nil, nil
	return got, wrong
}

func (w *wire) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		r, err := readWire(in)
		w.mu.Lock()
		if r.line != "" {
			w.got = append(w.got, r)
		}
		if err != nil {
			w.wrong = append(w.wrong, err.Error())
		}
		w.mu.Unlock()
		if err != nil || r.line == "" || r.cut {
			return
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

// readWire reads a request. Without one it has no line.
func readWire(in *bufio.Reader) (r wireRequest, err error) {
	first, err := wireLine(in)
	if err != nil {
		return r, nil // the connection ended between requests
	}
	r.line = first
	if parts := strings.Split(first, " "); len(parts) != 3 || parts[2] != "HTTP/1.1" || !strings.HasPrefix(parts[1], "/v2/") {
		return r, fmt.Errorf("a request line %q", first)
	}
	for {
		line, err := wireLine(in)
		if err != nil {
			return r, fmt.Errorf("in the header: %w", err)
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok || name == "" || strings.ContainsAny(name, " \t") || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' }) {
			return r, fmt.Errorf("a header line %q", line)
		}
		r.headers = append(r.headers, line)
	}
	length, coding := r.header("Content-Length"), r.header("Transfer-Encoding")
	switch {
	case len(r.header("Host")) != 1:
		return r, fmt.Errorf("%d hosts", len(r.header("Host")))
	case len(length)+len(coding) > 1:
		return r, fmt.Errorf("a body framed by %q and %q", length, coding)
	case len(length) == 1:
		n, err := strconv.Atoi(length[0])
		if err != nil || strconv.Itoa(n) != length[0] {
			return r, fmt.Errorf("a length of %q", length[0])
		}
		return r.take(in, n)
	case len(coding) == 1:
		if coding[0] != "chunked" {
			return r, fmt.Errorf("a coding of %q", coding[0])
		}
		return r.chunks(in)
	}
	return r, nil
}

// take reads n bytes of the body.
func (r wireRequest) take(in *bufio.Reader, n int) (wireRequest, error) {
	buf := make([]byte, n)
	got, err := io.ReadFull(in, buf)
	r.body += string(buf[:got])
	r.cut = err != nil
	return r, nil
}

// chunks reads a chunked body, and its trailers as headers.
func (r wireRequest) chunks(in *bufio.Reader) (wireRequest, error) {
	for {
		size, err := wireLine(in)
		if err != nil {
			r.cut = true
			return r, nil
		}
		n, err := strconv.ParseUint(size, 16, 31)
		if err != nil {
			return r, fmt.Errorf("a chunk of the size %q", size)
		}
		if n == 0 {
			break
		}
		if r, _ = r.take(in, int(n)); r.cut {
			return r, nil
		}
		if line, err := wireLine(in); err != nil || line != "" {
			return r, fmt.Errorf("%q behind a chunk: %w", line, err)
		}
	}
	for {
		line, err := wireLine(in)
		if err != nil {
			r.cut = true
			return r, nil
		}
		if line == "" {
			return r, nil
		}
		r.headers = append(r.headers, line)
	}
}

// wireLine reads a line that ends in CR and LF, and has neither inside.
func wireLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return line, err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.Contains(text, "\r") {
		return line, fmt.Errorf("the line %q", line)
	}
	return text, nil
}
