package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"paragon/engine/servicetest"
)

// popScript is what a user of Timers has: it takes what is due and answers the
// next time.
var popScript = redis.NewScript(`
local due = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", ARGV[1], "LIMIT", 0, 500)
if #due > 0 then
	redis.call("ZREM", KEYS[1], unpack(due))
end
local next = redis.call("ZRANGE", KEYS[1], 0, 0, "WITHSCORES")
return {due, next[2] or ""}`)

// addScript adds a timer and rings when it is the earliest.
var addScript = redis.NewScript(`
local first = redis.call("ZRANGE", KEYS[1], 0, 0, "WITHSCORES")
redis.call("ZADD", KEYS[1], ARGV[1], ARGV[2])
if not first[2] or tonumber(ARGV[1]) < tonumber(first[2]) then
	redis.call("PUBLISH", ARGV[3], ARGV[4] .. " " .. ARGV[1])
end
return 1`)

func addTimer(t testing.TB, rdb redis.UniversalClient, lane int, at time.Time, member string) {
	t.Helper()
	err := addScript.Run(context.Background(), rdb, []string{TimersKey(lane)}, at.UnixMilli(), member, TimerChannel(lane), lane).Err()
	if err != nil {
		t.Fatal(err)
	}
}

// fired collects what was fired and how late.
type fired struct {
	mu      sync.Mutex
	late    []time.Duration
	members map[string]int
	calls   int
	signal  chan struct{}
}

func newFired() *fired {
	return &fired{members: make(map[string]int), signal: make(chan struct{}, 1)}
}

func (f *fired) fire(rdb redis.UniversalClient, clock func() time.Time) func(context.Context, int, time.Time) (time.Time, error) {
	return func(ctx context.Context, lane int, now time.Time) (time.Time, error) {
		v, err := popScript.Run(ctx, rdb, []string{TimersKey(lane)}, now.UnixMilli()).Slice()
		if err != nil {
			return time.Time{}, err
		}
		at := clock()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.calls++
		for _, m := range v[0].([]any) {
			// A member carries its own due time.
			ms, _ := strconv.ParseInt(m.(string)[:13], 10, 64)
			f.late = append(f.late, at.Sub(time.UnixMilli(ms)))
			f.members[m.(string)]++
		}
		select {
		case f.signal <- struct{}{}:
		default:
		}
		if v[1] == "" {
			return time.Time{}, nil
		}
		ms, err := strconv.ParseFloat(v[1].(string), 64)
		return time.UnixMilli(int64(ms)), err
	}
}

func (f *fired) wait(t testing.TB, n int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		f.mu.Lock()
		have := len(f.late)
		f.mu.Unlock()
		if have >= n {
			return
		}
		select {
		case <-f.signal:
		case <-deadline:
			t.Fatalf("%d of %d timers fired", have, n)
		}
	}
}

func runTimers(t testing.TB, rdb redis.UniversalClient, o TimersOptions) *Timers {
	t.Helper()
	o.Log = quiet()
	tm := NewTimers(rdb, o)
	if err := tm.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tm.Stop(within(t, patience)); err != nil {
			t.Error(err)
		}
	})
	return tm
}

func member(at time.Time, i int) string { return fmt.Sprintf("%013d-%d", at.UnixMilli(), i) }

func TestTimersFireOnTime(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		f := newFired()
		tm := runTimers(t, rdb, TimersOptions{Lanes: Lanes(3), Fire: f.fire(rdb, time.Now), Safety: time.Hour})
		eventually(t, "the subscription", tm.bells.up.Load)
		start := time.Now()
		// The latest first: each is a new earliest, and rings.
		const n = 60
		for i := n; i > 0; i-- {
			at := start.Add(time.Duration(i) * 10 * time.Millisecond)
			addTimer(t, rdb, i%3, at, member(at, i))
		}
		f.wait(t, n)
		slices.Sort(f.late)
		if f.late[0] < 0 {
			t.Errorf("a timer fired %v early", -f.late[0])
		}
		if got := f.late[n*99/100]; got > 100*time.Millisecond {
			t.Errorf("p99 is %v late", got)
		}
	})
}

// TestTimersWithManyPending is asynq's trap of whole seconds: with 100,000
// timers pending, none fires early and p99 is less than 100 ms late.
func TestTimersWithManyPending(t *testing.T) {
	rdb := connect(t, servicetest.Redis(t))
	const pending, due = 100_000, 2_000
	start := time.Now().Add(time.Second)
	pipe := rdb.Pipeline()
	for i := range pending {
		at := start.Add(time.Hour + time.Duration(i)*time.Millisecond)
		pipe.ZAdd(context.Background(), TimersKey(i%4), redis.Z{Score: float64(at.UnixMilli()), Member: member(at, i)})
		if i%5000 == 4999 {
			if _, err := pipe.Exec(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	f := newFired()
	tm := runTimers(t, rdb, TimersOptions{Lanes: Lanes(4), Fire: f.fire(rdb, time.Now)})
	eventually(t, "the subscription", tm.bells.up.Load)
	start = time.Now().Add(300 * time.Millisecond)
	for i := range due {
		at := start.Add(time.Duration(i) * time.Millisecond / 2)
		addTimer(t, rdb, i%4, at, member(at, i))
	}
	f.wait(t, due)
	slices.Sort(f.late)
	p50, p99 := f.late[due/2], f.late[due*99/100]
	t.Logf("earliest %v, p50 %v, p99 %v late, last %v, %d calls", f.late[0], p50, p99, f.late[due-1], f.calls)
	if f.late[0] < 0 {
		t.Errorf("a timer fired %v early", -f.late[0])
	}
	if p99 > 100*time.Millisecond {
		t.Errorf("p99 is %v late", p99)
	}
	for m, n := range f.members {
		if n != 1 {
			t.Errorf("%s fired %d times", m, n)
		}
	}
}

// TestTimerWithoutRing adds one in silence: the safety poll finds it.
func TestTimerWithoutRing(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		f := newFired()
		runTimers(t, rdb, TimersOptions{Lanes: Lanes(1), Fire: f.fire(rdb, time.Now), Safety: 50 * time.Millisecond})
		at := time.Now().Add(100 * time.Millisecond)
		rdb.ZAdd(context.Background(), TimersKey(0), redis.Z{Score: float64(at.UnixMilli()), Member: member(at, 0)})
		f.wait(t, 1)
	})
}

// TestTimersThatWereThereBefore are found at the start, even those overdue.
func TestTimersThatWereThereBefore(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		at := time.Now().Add(-time.Hour)
		for i := range 1200 { // more than Fire takes at once
			rdb.ZAdd(context.Background(), TimersKey(0), redis.Z{Score: float64(at.UnixMilli()), Member: member(at, i)})
		}
		f := newFired()
		runTimers(t, rdb, TimersOptions{Lanes: Lanes(1), Fire: f.fire(rdb, time.Now), Safety: time.Hour})
		f.wait(t, 1200)
	})
}

// fakeClock stands still until it is moved.
type fakeClock struct {
	mu      sync.Mutex
	now     time.Time
	waiters map[chan time.Time]time.Time
	slept   chan time.Duration
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.UnixMilli(1_700_000_000_000), waiters: make(map[chan time.Time]time.Time), slept: make(chan time.Duration, 1000)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) After(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := make(chan time.Time, 1)
	c.waiters[ch] = c.now.Add(d)
	c.slept <- d
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiters, ch)
	}
}

// advance moves the clock and wakes those whose time has come; early wakes
// everybody, as a wall clock set back does.
func (c *fakeClock) advance(d time.Duration, early bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for ch, at := range c.waiters {
		if early || !at.After(c.now) {
			ch <- c.now
			delete(c.waiters, ch)
		}
	}
}

// TestTimersAreNeverEarly wakes the lane a microsecond before the time, and
// with a clock that went back.
func TestTimersAreNeverEarly(t *testing.T) {
	rdb := connect(t, miniredis.RunT(t).Addr())
	clock := newFakeClock()
	at := clock.Now().Add(time.Second)
	rdb.ZAdd(context.Background(), TimersKey(0), redis.Z{Score: float64(at.UnixMilli()), Member: member(at, 0)})
	f := newFired()
	runTimers(t, rdb, TimersOptions{Lanes: Lanes(1), Fire: f.fire(rdb, clock.Now), Clock: clock, Safety: time.Hour})
	armed := func(want time.Duration) {
		t.Helper()
		for deadline := time.After(patience); ; {
			select {
			case d := <-clock.slept:
				if d == want {
					return
				}
			case <-deadline:
				t.Fatalf("nobody waits %v", want)
			}
		}
	}
	armed(time.Second)
	clock.advance(time.Second-time.Microsecond, true)
	armed(time.Microsecond)
	clock.advance(-10*time.Second, true)
	armed(10*time.Second + time.Microsecond)
	f.mu.Lock()
	if f.calls != 0 {
		t.Error("fired early")
	}
	f.mu.Unlock()
	clock.advance(11*time.Second, false)
	f.wait(t, 1)
	if f.late[0] < 0 {
		t.Errorf("fired %v early", -f.late[0])
	}
}

func TestTimersGoOnAfterErrors(t *testing.T) {
	rdb := connect(t, miniredis.RunT(t).Addr())
	f := newFired()
	fire := f.fire(rdb, time.Now)
	var calls atomic.Int64
	runTimers(t, rdb, TimersOptions{Lanes: Lanes(1), Safety: time.Hour, Fire: func(ctx context.Context, lane int, now time.Time) (time.Time, error) {
		if calls.Add(1) < 4 {
			return time.Time{}, errors.New("Redis is away")
		}
		return fire(ctx, lane, now)
	}})
	at := time.Now()
	addTimer(t, rdb, 0, at, member(at, 0))
	f.wait(t, 1)
}

func TestTimersWithRedisDownAtStart(t *testing.T) {
	m := miniredis.RunT(t)
	addr := m.Addr()
	m.Close()
	rdb := connect(t, addr)
	f := newFired()
	runTimers(t, rdb, TimersOptions{Lanes: Lanes(2), Fire: f.fire(rdb, time.Now)})
	if err := m.StartAddr(addr); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	addTimer(t, rdb, 1, at, member(at, 0))
	f.wait(t, 1)
}

func TestTimersRefuseNonsense(t *testing.T) {
	fire := func(context.Context, int, time.Time) (time.Time, error) { return time.Time{}, nil }
	rdb := connect(t, "127.0.0.1:1")
	for name, o := range map[string]TimersOptions{
		"no fire":       {Lanes: []int{0}},
		"no lanes":      {Fire: fire},
		"lane twice":    {Fire: fire, Lanes: []int{1, 1}},
		"negative lane": {Fire: fire, Lanes: []int{-1}},
	} {
		tm := NewTimers(rdb, o)
		if tm.Start(context.Background()) == nil {
			t.Errorf("%s is accepted", name)
		}
		if err := tm.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
