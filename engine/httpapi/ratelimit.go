package httpapi

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"paragon/schema"
)

// sweepEvery is how often the buckets of callers who went away are removed.
const sweepEvery = time.Minute

// limiter has a token bucket for each caller, in memory: a process knows its
// own share of the requests only.
type limiter struct {
	perSecond int
	policy    []string // the header's value, made once
	buckets   sync.Map // callerID to *rate.Limiter
	swept     atomic.Int64
}

// callerID tells callers apart without making text of them.
type callerID struct{ key, person, project, user string }

// newLimiter returns nil where there is no limit.
func newLimiter(perSecond int) *limiter {
	if perSecond <= 0 {
		return nil
	}
	return &limiter{perSecond: perSecond, policy: []string{`"caller";q=` + strconv.Itoa(perSecond) + `;w=1`}}
}

// take takes a token of the caller, says in the answer how many are left
// (draft-ietf-httpapi-ratelimit-headers), and refuses when there is none.
func (l *limiter) take(h http.Header, c *caller, now time.Time) error {
	if l == nil {
		return nil
	}
	var id callerID
	switch {
	case c.key != nil:
		id.key = c.key.ID
	case c.login != nil:
		id.person = c.login.Person.ID
	case c.user != nil:
		id.project, id.user = c.user.Project, c.user.ID
	}
	bucket := l.bucket(id, now)
	allowed := bucket.AllowN(now, 1)
	left := bucket.TokensAt(now)
	wait := 0 // seconds until there is a token
	if left < 1 {
		wait = int(math.Ceil((1 - left) / float64(l.perSecond)))
	}
	text := make([]byte, 0, 32)
	text = strconv.AppendInt(append(text, `"caller";r=`...), int64(max(left, 0)), 10)
	text = strconv.AppendInt(append(text, `;t=`...), int64(wait), 10)
	// In canonical form, which saves making it so at each request.
	h["Ratelimit-Policy"], h["Ratelimit"] = l.policy, []string{string(text)}
	if allowed {
		return nil
	}
	p := problem(http.StatusTooManyRequests, schema.ProblemRateLimited, "Too many requests",
		"this caller sends more than %d requests a second to this process", l.perSecond)
	p.RetryAfter = max(wait, 1)
	return p
}

// bucket is the caller's, full at first.
func (l *limiter) bucket(id callerID, now time.Time) *rate.Limiter {
	if b, ok := l.buckets.Load(id); ok {
		return b.(*rate.Limiter)
	}
	l.sweep(now)
	b, _ := l.buckets.LoadOrStore(id, rate.NewLimiter(rate.Limit(l.perSecond), l.perSecond))
	return b.(*rate.Limiter)
}

// sweep removes, once in a while, the buckets that are full again: a new one
// would be no different.
func (l *limiter) sweep(now time.Time) {
	last := l.swept.Load()
	if now.UnixNano()-last < int64(sweepEvery) || !l.swept.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	l.buckets.Range(func(id, b any) bool {
		if b.(*rate.Limiter).TokensAt(now) >= float64(l.perSecond) {
			l.buckets.Delete(id)
		}
		return true
	})
}
