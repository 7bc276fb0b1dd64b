package httpapi

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"paragon/engine/cache"
	"paragon/engine/config"
	"paragon/engine/store"
	"paragon/schema"
)

func TestRateLimitOfACaller(t *testing.T) {
	r := newRig(t)
	r.join("ada@example.org", "viewer")
	r.server.callers = newLimiter(3)
	for i := range 3 {
		rec := r.do("viewer", "GET", "/v1/whoami", "")
		want(t, rec, 200, nil)
		if got := rec.Header().Get("RateLimit"); got != `"caller";r=`+strconv.Itoa(2-i)+`;t=`+strconv.Itoa(i/2) {
			t.Errorf("after %d requests: RateLimit: %s", i+1, got)
		}
		if got := rec.Header().Get("RateLimit-Policy"); got != `"caller";q=3;w=1` {
			t.Errorf("RateLimit-Policy: %s", got)
		}
	}
	rec := r.do("viewer", "GET", "/v1/whoami", "")
	p := wantProblem(t, rec, 429, "more than 3 requests a second")
	if p.Type != schema.ProblemRateLimited || rec.Header().Get("Retry-After") != "1" {
		t.Errorf("%+v, Retry-After %q", p, rec.Header().Get("Retry-After"))
	}
	// Others are not held up: another key, a login; nor who has no key at all.
	want(t, r.do("operator", "GET", "/v1/whoami", ""), 200, nil)
	want(t, r.do("ada@example.org", "GET", "/v1/whoami", ""), 200, nil)
	want(t, r.do("", "GET", "/livez", ""), 200, nil)
	r.now = r.now.Add(340 * time.Millisecond)
	want(t, r.do("viewer", "GET", "/v1/whoami", ""), 200, nil)
	wantProblem(t, r.do("viewer", "GET", "/v1/whoami", ""), 429, "more than 3")
}

func TestBucketsOfThoseWhoWentAwayAreSwept(t *testing.T) {
	l, now := newLimiter(2), time.Unix(1_700_000_000, 0)
	take := func(id string) { _ = l.take(http.Header{}, &caller{key: &cache.Key{ID: id}}, now) }
	count := func() (n int) {
		l.buckets.Range(func(any, any) bool { n++; return true })
		return n
	}
	for i := range 100 {
		take(strconv.Itoa(i))
	}
	now = now.Add(sweepEvery - time.Second)
	_ = l.take(http.Header{}, &caller{login: &config.Login{Person: store.Person{ID: "7"}}}, now)
	if n := count(); n != 101 {
		t.Fatalf("%d buckets; a person and a key of one id have one each", n)
	}
	now = now.Add(time.Second)
	take("new")
	if n := count(); n != 1 {
		t.Errorf("%d buckets are left; want the new one's", n)
	}
}

// BenchmarkRateLimit is what the limit costs a request.
func BenchmarkRateLimit(b *testing.B) {
	l, c, now := newLimiter(1<<30), &caller{key: &cache.Key{ID: "aaaaaaaaaaaaa"}}, time.Now()
	h := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		if err := l.take(h, c, now); err != nil {
			b.Fatal(err)
		}
	}
}
