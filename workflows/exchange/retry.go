package exchange

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// RetryStatus tells whether a status says that the same request may succeed
// later: 408, 425, 429 and every 5xx, which is what a step retries by default.
func RetryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500 && status <= 599
}

// RetryAfter reads the Retry-After header (RFC 9110 section 10.2.3): seconds or
// an HTTP-date. It is 0 without one, with one that is malformed, and for a date
// in the past; at most longest.
func RetryAfter(h http.Header, now time.Time, longest time.Duration) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	var wait time.Duration
	if digits(value) {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(longest/time.Second) {
			return longest // more digits than a number holds is a long time too
		}
		wait = time.Duration(seconds) * time.Second
	} else {
		at, err := http.ParseTime(value)
		if err != nil {
			return 0
		}
		wait = at.Sub(now)
	}
	return min(max(wait, 0), longest)
}

func digits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

var traceParent = regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$`)

// validTraceParent checks the form of W3C Trace Context section 3.2: ids of all
// zeros are invalid.
func validTraceParent(s string) bool {
	m := traceParent.FindStringSubmatch(s)
	return m != nil && strings.Trim(m[1], "0") != "" && strings.Trim(m[2], "0") != ""
}
