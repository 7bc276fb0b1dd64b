package proxy

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// longestQuiet bounds what the far side's headers are believed: a header that
// means something else must not silence an integration for days.
const longestQuiet = time.Hour

// The usual names of what is left of a limit, and when there is more, in the
// order in which they are looked for.
var (
	usualRemaining = []string{"Ratelimit-Remaining", "X-Ratelimit-Remaining", "X-Rate-Limit-Remaining"}
	usualReset     = []string{"Ratelimit-Reset", "X-Ratelimit-Reset", "X-Rate-Limit-Reset"}
)

// quietUntil tells until when the far side wants no more calls: it says so with
// 429 or 503 and Retry-After, or by a limit of which nothing remains.
func quietUntil(l *Limit, resp *http.Response, now time.Time) (until time.Time, ok bool) {
	busy := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable
	if wait, asked := retryAfter(resp.Header, now); busy && asked {
		return now.Add(min(wait, longestQuiet)), wait > 0
	}
	left, reset, known := remaining(l, resp.Header)
	if known && left > 0 || !known && resp.StatusCode != http.StatusTooManyRequests {
		return time.Time{}, false
	}
	wait, ok := parseReset(reset, now)
	if !ok || wait <= 0 {
		return time.Time{}, false
	}
	return now.Add(min(wait, longestQuiet)), true
}

// remaining reads how much of the far side's limit is left, and when there is
// more.
func remaining(l *Limit, h http.Header) (left int64, reset string, known bool) {
	if text := first(h, "", []string{"Ratelimit"}); text != "" && l.RemainingHeader == "" {
		if left, reset, known = structured(text); known {
			return left, reset, true
		}
	}
	reset = first(h, l.ResetHeader, usualReset)
	n, err := strconv.ParseFloat(first(h, l.RemainingHeader, usualRemaining), 64)
	return int64(n), reset, err == nil
}

// first is the value of the named header, or of the first of the usual ones.
func first(h http.Header, named string, usual []string) string {
	if named != "" {
		return strings.TrimSpace(h.Get(named))
	}
	for _, name := range usual {
		if values := h[name]; len(values) > 0 {
			return strings.TrimSpace(values[0])
		}
	}
	return ""
}

// structured reads the RateLimit header of the IETF's drafts: "default";r=50;t=30
// (since -07), or limit=100, remaining=50, reset=30 (before).
func structured(text string) (left int64, reset string, known bool) {
	separator := ";"
	if strings.Contains(text, "remaining") {
		separator = ","
	} else {
		text, _, _ = strings.Cut(text, ",") // the first policy
	}
	for part := range strings.SplitSeq(text, separator) {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.ToLower(name) {
		case "r", "remaining":
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			left, known = n, err == nil
		case "t", "reset":
			reset = strings.TrimSpace(value)
		}
	}
	return left, reset, known
}

// Numbers above these are no seconds from now, but since 1970, in seconds or
// in milliseconds.
const (
	unixSeconds = 1_000_000_000
	unixMillis  = 1_000_000_000_000
)

// parseReset reads when a limit begins anew: APIs write seconds from now, Unix
// seconds or milliseconds, or a date.
func parseReset(text string, now time.Time) (time.Duration, bool) {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		switch {
		case n >= unixMillis && n < unixMillis*1000:
			return time.UnixMilli(int64(n)).Sub(now), true
		case n >= unixSeconds && n < unixMillis:
			return time.UnixMilli(int64(n * 1000)).Sub(now), true
		case n >= 0 && n < unixSeconds:
			return time.Duration(n * float64(time.Second)), true
		}
		return 0, false
	}
	if d, err := time.ParseDuration(text); err == nil { // "1s", "6m0s"
		return d, true
	}
	for _, layout := range []string{time.RFC3339, http.TimeFormat} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.Sub(now), true
		}
	}
	return 0, false
}
