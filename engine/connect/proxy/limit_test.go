package proxy

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"paragon/engine/queue"
	"paragon/engine/servicetest"
	"paragon/schema"
)

// onRedis is a proxy that has a real Redis and sends nothing.
func onRedis(t *testing.T) *Proxy {
	rdb, err := queue.NewRedis("redis://"+servicetest.Redis(t), queue.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	return New(Options{Redis: rdb, Lanes: 1, Transport: http.DefaultTransport})
}

func limited(calls int, per time.Duration) *Target {
	return &Target{Base: &url.URL{Host: "api.example.com"}, Limit: Limit{Calls: calls, Per: per}}
}

// TestLimitHoldsOverProcesses: however many processes ask, no window of the
// limit's length, wherever it begins, sees more calls than it allows, and most
// of what it allows is had.
func TestLimitHoldsOverProcesses(t *testing.T) {
	t.Parallel()
	p := onRedis(t)
	const calls, per, windows, processes = 40, time.Second, 3, 4
	target := limited(calls, per)
	var mu sync.Mutex
	var taken []time.Time
	end := time.Now().Add(windows * per)
	var wg sync.WaitGroup
	for range processes {
		l := newLimiter(outletKey{project: "p", integration: "crm", credential: "c"})
		wg.Go(func() {
			for time.Now().Before(end) {
				// A permit counts at the latest when take returns.
				if err := l.take(t.Context(), p, target); err == nil {
					mu.Lock()
					taken = append(taken, time.Now())
					mu.Unlock()
				}
				time.Sleep(2 * time.Millisecond) // the pace of a caller that comes again at once
			}
		})
	}
	wg.Wait()
	slices.SortFunc(taken, time.Time.Compare)
	for i := range taken {
		// A permit may be used up to the end of its part, and noted a moment
		// later: the window is shorter by what the note may lag behind.
		last, _ := slices.BinarySearchFunc(taken, taken[i].Add(per-per/limitParts), time.Time.Compare)
		if n := last - i; n > calls {
			t.Fatalf("%d calls within %v of call %d; the limit is %d", n, per, i, calls)
		}
	}
	if least := windows * calls / 2; len(taken) < least {
		t.Errorf("%d calls in %d windows of %d; want %d at least", len(taken), windows, calls, least)
	}
}

// TestPauseIsShared: what one process learns of the far side's limit keeps the
// others quiet, and a credential of its own has a limit of its own.
func TestPauseIsShared(t *testing.T) {
	t.Parallel()
	p := onRedis(t)
	target := limited(1000, time.Minute)
	key := outletKey{project: "p", integration: "crm", credential: "c"}
	one, two := newLimiter(key), newLimiter(key)
	other := newLimiter(outletKey{project: "p", integration: "crm", credential: "other"})
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://api.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	one.observe(p, target, &http.Response{StatusCode: http.StatusTooManyRequests, Request: req, Header: http.Header{"Retry-After": {"30"}}})
	for name, l := range map[string]*limiter{"who saw it": one, "another process": two} {
		err := l.take(t.Context(), p, target)
		refused, ok := err.(*schema.Problem)
		if !ok || refused.Status != http.StatusTooManyRequests || refused.RetryAfter < 20 || refused.RetryAfter > 31 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := other.take(t.Context(), p, target); err != nil {
		t.Errorf("another credential: %v", err)
	}
}

// TestLimitWithoutRedis lets calls go: the far side has its own limit.
func TestLimitWithoutRedis(t *testing.T) {
	t.Parallel()
	r := servicetest.StartRedis(t, servicetest.RedisOptions{})
	rdb, err := queue.NewRedis("redis://"+r.Addr, queue.RedisOptions{Timeout: 200 * time.Millisecond, DialTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	p := New(Options{Redis: rdb, Lanes: 1, Transport: http.DefaultTransport})
	l := newLimiter(outletKey{project: "p", integration: "crm", credential: "c"})
	r.Kill()
	if err := l.take(t.Context(), p, limited(1, time.Hour)); err != nil {
		t.Error(err)
	}
}

// TestLargeLotsAreAskedForAhead: while permits of the last lot are left, the next
// one comes, and no call waits for it. Of small lots none is taken too early.
func TestLargeLotsAreAskedForAhead(t *testing.T) {
	t.Parallel()
	p := onRedis(t)
	for _, size := range []int{1, limitAhead - 1, limitAhead, 4 * limitAhead} {
		target := limited(size*limitShare, time.Hour)
		l := newLimiter(outletKey{project: "p", integration: "crm", credential: strconv.Itoa(size)})
		for range size {
			if err := l.take(t.Context(), p, target); err != nil {
				t.Fatal(err)
			}
			p.loops.Wait()
		}
		lots := 1
		if size >= limitAhead {
			lots = 2
		}
		if l.now.left != 0 || l.next.left != (lots-1)*size {
			t.Errorf("lots of %d: %d are left, and %d of the next", size, l.now.left, l.next.left)
		}
		taken, err := p.opts.Redis.HVals(t.Context(), l.permits).Result()
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for _, text := range taken {
			n, _ := strconv.Atoi(text)
			sum += n
		}
		if sum != lots*size {
			t.Errorf("lots of %d: Redis counts %v; want %d in all", size, taken, lots*size)
		}
	}
}
