package proxy

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// idempotent are the methods that may be sent again (RFC 9110 section 9.2.2).
var idempotent = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodOptions: true, http.MethodPut: true, http.MethodDelete: true,
}

// The pauses between attempts where the far side does not name one.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = 2 * time.Second
)

// again tells whether the call is sent again after an attempt, and when. What
// the far side asks to wait is waited, if patience lasts so long; else its answer
// is passed on.
func (x *passage) again(err error) (wait time.Duration, again bool) {
	if !idempotent[x.r.Method] || !x.body.whole || x.target == nil || x.attempts >= x.target.attempts() {
		return 0, false
	}
	pause := min(firstPause<<(x.attempts-1), mostPause)
	wait = pause/2 + rand.N(pause/2+1)
	switch {
	case err != nil:
		if !errors.Is(err, errNetwork) {
			return 0, false
		}
	case !x.target.retries(x.resp.StatusCode):
		return 0, false
	default:
		if asked, ok := retryAfter(x.resp.Header, x.proxy.now()); ok {
			wait = asked
		}
	}
	return wait, wait < x.patience.left()
}

func (t *Target) attempts() int {
	if t.Attempts <= 0 {
		return DefaultAttempts
	}
	return t.Attempts
}

func (t *Target) retries(status int) bool {
	if t.RetryOn == nil {
		return retryOn(status)
	}
	return t.RetryOn(status)
}

// retryAfter reads how long the far side asks to wait (RFC 9110 section
// 10.2.3).
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := h.Get("Retry-After")
	if text == "" {
		return 0, false
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < 1e9 {
		return time.Duration(n * float64(time.Second)), true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

// drained is how much of an answer that is not passed on is read, so that its
// connection can be used again.
const drained = 64 << 10

// dropAnswer closes the answer that there is.
func (x *passage) dropAnswer() {
	if x.resp == nil {
		return
	}
	if x.resp.ContentLength != 0 {
		_, _ = io.CopyN(io.Discard, x.resp.Body, drained)
	}
	_ = x.resp.Body.Close()
	x.resp = nil
}
