package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"paragon/schema"
)

// buffers are what bodies pass through. A pointer, so that putting one back
// does not allocate.
var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// answer passes the far side's answer on.
func (x *passage) answer(w http.ResponseWriter) error {
	resp := x.resp
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return problem(http.StatusBadGateway, schema.ProblemFarSide, "Bad gateway", "%s wants another protocol than HTTP, which is not passed on", x.call.Integration)
	}
	if resp.ContentLength > x.most && x.r.Method != http.MethodHead {
		return &failed{cause: errTooLarge, problem: problem(http.StatusBadGateway, schema.ProblemFarSide, "Bad gateway",
			"the answer of %s has %d bytes, and %d is the most that is passed on", x.call.Integration, resp.ContentLength, x.most)}
	}
	header := w.Header()
	answerHeader(header, resp)
	announced := len(resp.Trailer)
	x.status = resp.StatusCode
	w.WriteHeader(resp.StatusCode)
	if resp.Body != http.NoBody {
		if err := x.pass(w, resp.Body, resp.ContentLength); err != nil {
			return err
		}
	}
	if len(resp.Trailer) > 0 {
		// Without a flush a short answer would have a length, and no trailers.
		_ = http.NewResponseController(w).Flush()
		answerTrailer(header, resp, announced)
	}
	return nil
}

// pass copies a body, whose length is -1 when it is not known. Where the far side
// pauses, what has come so far is flushed.
func (x *passage) pass(w http.ResponseWriter, body io.Reader, length int64) error {
	buf, _ := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := body.Read(*buf)
		if n > 0 {
			if x.received += int64(n); x.received > x.most {
				return fmt.Errorf("%w: %w: it has more than %d bytes", errBroken, errTooLarge, x.most)
			}
			now := time.Now()
			x.patience.progress(now)
			if x.stopped(now) {
				return fmt.Errorf("%w: %w", errBroken, errStopped)
			}
			x.from.allowWrite(now)
			if _, err := w.Write((*buf)[:n]); err != nil {
				return fmt.Errorf("%w: %w: %w", errBroken, errCanceled, err)
			}
			if n < len(*buf) && x.received != length {
				if err := http.NewResponseController(w).Flush(); err != nil {
					return fmt.Errorf("%w: %w: %w", errBroken, errCanceled, err)
				}
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", errBroken, x.patience.classify(err))
		}
	}
}

// stopped tells, every now and then, whether the user whom a body flows for was
// disabled or deleted meanwhile. Where that can't be told it flows on.
func (x *passage) stopped(now time.Time) bool {
	look := x.proxy.opts.Stopped
	if look == nil || x.call.User == "" || now.Sub(x.looked) < often {
		return false
	}
	x.looked = now
	is, err := look(x.patience.ctx, x.call.Project, x.call.User)
	return err == nil && is
}
