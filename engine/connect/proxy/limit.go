package proxy

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/schema"
)

//go:embed limit.lua
var limitSource string

var limitScript = redis.NewScript(limitSource)

const (
	// limitParts is in how many parts a window slides. Permits count in up to
	// two of them: with 40 the calls that are let through are at worst 5 % fewer
	// than may be.
	limitParts = 40
	// limitShare of a window's permits is taken at a time, so that a busy
	// process asks Redis at most that often in a window, and what a process
	// took and did not use is little.
	limitShare = 400
	// limitAhead is the size from which lots are asked for before the last one is
	// used up or ends, so that no call waits for Redis. Of smaller ones too much
	// would be taken and not used.
	limitAhead = 16
	// limitPatience is how long Redis may take to give permits. Without an
	// answer the call goes out: the far side still has its own limit.
	limitPatience = 500 * time.Millisecond
)

// limiter keeps the calls with one credential within the integration's limit,
// over all processes, and quiet while the far side wants no more. Permits come
// from Redis, several at a time.
type limiter struct {
	permits, pause string // keys

	mu        sync.Mutex
	now, next lot       // next is used when now is used up or has ended
	paused    time.Time // until when the far side wants no call
	// asking is held by who asks Redis; the others wait for what that brings.
	asking chan struct{}
}

// lot are permits that were taken together.
type lot struct {
	size, left int
	ends       time.Time // until when those that are left count
}

// use uses a permit that counts at a time, if there is one.
func (l *lot) use(at time.Time) bool {
	if l.left <= 0 || !at.Before(l.ends) {
		return false
	}
	l.left--
	return true
}

func newLimiter(key outletKey) *limiter {
	prefix := fmt.Sprintf("paragon:{limit/%s/%s/%s}:", key.project, key.integration, key.credential)
	return &limiter{permits: prefix + "permits", pause: prefix + "pause", asking: make(chan struct{}, 1)}
}

// take takes a permit, or says when to come again.
func (l *limiter) take(ctx context.Context, p *Proxy, t *Target) error {
	wait, low := l.tryTake(t.Limit.Calls > 0, t.Limit.part())
	if low {
		l.askAhead(p, t)
	}
	if wait == 0 {
		return nil
	} else if wait > 0 {
		return tooMany(t, wait)
	}
	select {
	case l.asking <- struct{}{}:
		defer func() { <-l.asking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if wait, _ = l.tryTake(true, 0); wait == 0 { // whoever was first has brought enough
		return nil
	} else if wait > 0 {
		return tooMany(t, wait)
	}
	wait, err := l.bring(ctx, p, t)
	if err != nil {
		if ctx.Err() == nil {
			p.log.WarnContext(ctx, "the limit of an integration can't be looked up; the call is made", "key", l.permits, "error", err)
		}
		return nil
	}
	if wait > 0 {
		return tooMany(t, wait)
	}
	return nil
}

// tryTake takes a permit that is here. It returns 0 when it did, how long to
// wait when the far side wants no call, and less than 0 when there is no permit;
// and whether it is time for the next lot: the last one is nearly used up, or
// ends within a time.
func (l *limiter) tryTake(limited bool, soon time.Duration) (wait time.Duration, low bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused.IsZero() && !limited {
		return 0, false
	}
	now := time.Now()
	if wait := l.paused.Sub(now); wait > 0 {
		return wait, false
	}
	if !limited {
		l.paused = time.Time{}
		return 0, false
	}
	if !l.now.use(now) {
		if !l.next.use(now) {
			return -1, false
		}
		l.now, l.next = l.next, lot{}
	}
	low = l.now.size >= limitAhead && l.next.left == 0 && (l.now.left < l.now.size/4 || l.now.ends.Sub(now) < soon)
	return 0, low
}

// askAhead gets the next lot while calls use the last one, unless somebody asks.
// The proxy waits for it.
func (l *limiter) askAhead(p *Proxy, t *Target) {
	select {
	case l.asking <- struct{}{}:
	default:
		return
	}
	p.loops.Go(func() {
		defer func() { <-l.asking }()
		got, _, err := l.ask(context.Background(), p, t)
		if err != nil || got.left == 0 {
			return // whoever finds no permit asks again, and tells
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.next = got
	})
}

// bring gets permits, and uses one. A wait means that there is none.
func (l *limiter) bring(ctx context.Context, p *Proxy, t *Target) (wait time.Duration, err error) {
	got, wait, err := l.ask(ctx, p, t)
	if err != nil || wait > 0 {
		return wait, err
	}
	got.left--
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now, l.next = got, lot{}
	return 0, nil
}

// part is the length of a part of the window.
func (l *Limit) part() time.Duration { return max(l.Per/limitParts, time.Millisecond) }

// ask asks Redis for permits. A wait means that there is none.
func (l *limiter) ask(ctx context.Context, p *Proxy, t *Target) (got lot, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, limitPatience)
	defer cancel()
	want := min(max(t.Limit.Calls/limitShare, 1), 10_000)
	asked := time.Now()
	reply, err := limitScript.Run(ctx, p.opts.Redis, []string{l.permits, l.pause},
		t.Limit.Calls, t.Limit.part().Milliseconds(), limitParts, want).Int64Slice()
	if err != nil {
		return lot{}, 0, err
	}
	if len(reply) != 2 {
		return lot{}, 0, fmt.Errorf("%d values from the script of limits", len(reply))
	}
	span := time.Duration(reply[1]) * time.Millisecond
	if reply[0] <= 0 {
		return lot{}, max(span, time.Millisecond), nil
	}
	n := int(reply[0])
	return lot{size: n, left: n, ends: asked.Add(span)}, 0, nil
}

// tooMany refuses a call that is not sent.
func tooMany(t *Target, wait time.Duration) error {
	p := problem(http.StatusTooManyRequests, schema.ProblemRateLimited, "Too many requests", "the calls to %s with this credential are at their limit", t.Base.Host)
	p.RetryAfter = int((wait + time.Second - 1) / time.Second)
	return p
}

// pausedAt tells whether the far side wants no call at a time.
func (l *limiter) pausedAt(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.paused.After(now)
}

// observe takes from an answer whether the far side wants no more calls for a
// while. Other processes learn it as they ask for permits; where the
// integration has no limit of its own, each learns it from its own answer.
func (l *limiter) observe(p *Proxy, t *Target, resp *http.Response) {
	now := time.Now()
	until, ok := quietUntil(&t.Limit, resp, now)
	if !ok {
		return
	}
	l.mu.Lock()
	news := until.After(l.paused)
	if news {
		l.paused = until
	}
	l.mu.Unlock()
	if !news || t.Limit.Calls <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(resp.Request.Context()), limitPatience)
	defer cancel()
	// Should Redis be away, this process at least keeps quiet.
	if err := p.opts.Redis.Set(ctx, l.pause, until.UnixMilli(), until.Sub(now)+time.Second).Err(); err != nil {
		p.log.WarnContext(ctx, "the pause that an integration asks for can't be shared", "key", l.pause, "error", err)
	}
}
