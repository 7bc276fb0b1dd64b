package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"paragon/schema"
)

// mostKept is the largest body that is read before the call is sent, so that it
// can be sent again. A larger one, or one of unknown length, streams.
const mostKept = 64 << 10

// payload is the body of a call.
type payload struct {
	// whole says that all of it is in kept: the call can be sent again.
	whole  bool
	kept   []byte
	stream *stream
}

// take reads a small body, and leaves another to be streamed.
func (b *payload) take(r *http.Request, from *connection, limit int64) error {
	switch n := r.ContentLength; {
	case n > limit:
		return tooLarge(limit)
	case n == 0 && len(r.TransferEncoding) == 0:
		b.whole = true
	case n > 0 && n <= mostKept:
		b.kept = make([]byte, n)
		if _, err := io.ReadFull(r.Body, b.kept); err != nil {
			return brokenBody()
		}
		b.whole = true
	default:
		from.duplex()
		b.stream = &stream{body: http.MaxBytesReader(from.w, r.Body, limit), from: from}
	}
	return nil
}

func tooLarge(limit int64) *schema.Problem {
	return problem(http.StatusRequestEntityTooLarge, schema.ProblemTooLarge, "Too large", "the body is larger than %d bytes", limit)
}

// brokenBody is said of a body that is not what its header says, or that stops
// coming.
func brokenBody() *schema.Problem {
	return problem(http.StatusBadRequest, schema.ProblemInvalid, "Invalid request", "the body could not be read to its end")
}

// broken tells whether reading the caller's body failed, by no limit of ours: the
// far side has no part in it.
func (b *payload) broken() bool { return b.stream != nil && b.stream.broken.Load() }

// attach gives the body to a request to the far side.
func (b *payload) attach(to, from *http.Request) {
	switch {
	case b.stream != nil:
		b.stream.given, b.stream.trailer = from, requestTrailer(from.Trailer)
		to.Body, to.ContentLength, to.Trailer = b.stream, from.ContentLength, b.stream.trailer
	case len(b.kept) == 0:
		to.Body = http.NoBody
	default:
		to.ContentLength = int64(len(b.kept))
		to.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.kept)), nil }
		to.Body, _ = to.GetBody()
		delete(to.Header, "Expect") // the body is here already
	}
}

// sent is how much of the body was sent, in bytes.
func (b *payload) sent() int64 {
	if b.stream != nil {
		return b.stream.read.Load()
	}
	return int64(len(b.kept))
}

// close ends the reading of the caller's body. The transport may be reading it
// still, when the far side answered before all of it was sent.
func (b *payload) close(from *connection) {
	if b.stream == nil {
		return
	}
	if !b.stream.ended.Load() {
		from.readNoMore()
	}
	_ = b.stream.Close()
}

// stream is a body on its way through.
type stream struct {
	body io.ReadCloser
	from *connection
	read atomic.Int64
	// ended says that the body was read to its end, broken that it has none.
	ended, broken atomic.Bool
	// given is the caller's request, which has its trailers once the body has
	// ended; trailer takes those that are passed on.
	given   *http.Request
	trailer http.Header
}

func (s *stream) Read(p []byte) (int, error) {
	s.from.allowRead()
	n, err := s.body.Read(p)
	s.read.Add(int64(n))
	switch {
	case errors.Is(err, io.EOF):
		s.ended.Store(true)
		for name := range s.trailer {
			s.trailer[name] = s.given.Trailer[name]
		}
	case err != nil && !errors.As(err, new(*http.MaxBytesError)):
		s.broken.Store(true)
	}
	return n, err
}

func (s *stream) Close() error { return s.body.Close() }

// connection is that to the caller. Its deadlines are the server's; a stream
// moves them ahead of itself.
type connection struct {
	w                     http.ResponseWriter
	now                   func() time.Time
	each                  time.Duration
	lastRead, lastWritten time.Time
}

// allow lets the caller's connection live as long as the far side may take.
func (c *connection) allow(each time.Duration) {
	c.each = each + slack
	now := time.Now()
	c.lastRead, c.lastWritten = now, now
	if each > serverPatience {
		_ = http.NewResponseController(c.w).SetWriteDeadline(now.Add(c.each))
	}
}

const (
	// slack is what a connection gets beyond the far side's time.
	slack = 10 * time.Second
	// serverPatience is surely within the bounds of the server's own.
	serverPatience = 45 * time.Second
	// often is how often deadlines are moved at most: it is a system call.
	often = 2 * time.Second
)

func (c *connection) allowRead() {
	if now := time.Now(); now.Sub(c.lastRead) > often {
		c.lastRead = now
		_ = http.NewResponseController(c.w).SetReadDeadline(now.Add(c.each))
	}
}

func (c *connection) allowWrite(now time.Time) {
	if now.Sub(c.lastWritten) > often {
		c.lastWritten = now
		_ = http.NewResponseController(c.w).SetWriteDeadline(now.Add(c.each))
	}
}

// duplex lets the answer begin before the request has ended. HTTP/2 always does.
func (c *connection) duplex() { _ = http.NewResponseController(c.w).EnableFullDuplex() }

// readNoMore ends a read that is under way.
func (c *connection) readNoMore() {
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Unix(1, 0))
}
