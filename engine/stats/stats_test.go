package stats

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"paragon/engine/servicetest"
)

func client(t testing.TB, addr string) redis.UniversalClient {
	c := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// onBoth runs a test on an in-process Redis and on a real one.
func onBoth(t *testing.T, f func(t *testing.T, rdb redis.UniversalClient)) {
	t.Run("miniredis", func(t *testing.T) { f(t, client(t, miniredis.RunT(t).Addr())) })
	t.Run("redis", func(t *testing.T) { f(t, client(t, servicetest.Redis(t))) })
}

// What several processes count adds up, and nothing is counted twice or lost.
func TestProcessesAddUp(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		begin := time.Now()
		one, two := NewRecorder(rdb, nil, nil), NewRecorder(rdb, nil, nil)
		for i := range 100 {
			r := one
			if i%2 == 1 {
				r = two
			}
			r.RunStarted("p", "w", time.Duration(i)*time.Millisecond)
			r.Attempted("p", "w", i%10 == 0)
			r.RunEnded("p", "w", Ending(i%3), time.Second)
			r.Proxied("p", "crm", Succeeded, time.Millisecond)
			if i == 50 {
				if err := one.flush(ctx); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, r := range []*Recorder{one, two} {
			if err := r.flush(ctx); err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []time.Duration{Second, Minute} {
			points, err := NewReader(rdb).Points(ctx, "p", step, begin.Add(-2*time.Second), time.Now().Add(2*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			sum := Set{}
			for _, p := range points {
				sum.Merge(p.Set)
			}
			w := sum[Name{Workflow, "w"}]
			if w == nil || w.Started != 100 || w.Attempts != 100 || w.Retried != 10 || w.Succeeded != 34 || w.Failed != 33 || w.Canceled != 33 ||
				w.Duration.Count() != 100 || w.Wait.Count() != 100 {
				t.Errorf("steps of %v: the workflow's counts are %+v", step, w)
			}
			if x := sum[Name{Proxy, "crm"}]; x == nil || x.Started != 100 || x.Succeeded != 100 {
				t.Errorf("steps of %v: the integration's counts are %+v", step, x)
			}
			totals := one.Totals()["p"]
			totals.Merge(two.Totals()["p"])
			if !reflect.DeepEqual(totals, sum) {
				t.Errorf("steps of %v: the processes counted %v, Redis has %v", step, totals, sum)
			}
		}
	})
}

// While Redis is away the counts wait, and come once when it is back.
func TestRedisAway(t *testing.T) {
	mini := miniredis.RunT(t)
	rdb := client(t, mini.Addr())
	r := NewRecorder(rdb, nil, nil)
	r.RunEnded("p", "w", Failed, time.Second)
	mini.SetError("LOADING")
	if err := r.flush(t.Context()); err == nil {
		t.Fatal("a flush to a Redis that refuses is fine")
	}
	r.RunEnded("p", "w", Failed, time.Second)
	mini.SetError("")
	begin := time.Now().Add(-5 * time.Second)
	if err := r.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	points, err := NewReader(rdb).Points(t.Context(), "p", Second, begin, time.Now().Add(time.Minute))
	if err != nil || len(points) != 1 || points[0].Set[Name{Workflow, "w"}].Failed != 2 {
		t.Errorf("points: %+v, %v", points, err)
	}
}

// What is counted while Redis lets nobody in is told once it does again: go-redis
// leaves the errors of the commands empty then.
func TestRedisLetsNobodyIn(t *testing.T) {
	ctx, addr := t.Context(), servicetest.Redis(t)
	hand := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 1}) // stays logged in
	t.Cleanup(func() { _ = hand.Close() })
	rdb := redis.NewClient(&redis.Options{Addr: addr, Password: "any", MaxRetries: -1}) // will do while none is asked for
	t.Cleanup(func() { _ = rdb.Close() })
	r := NewRecorder(rdb, nil, nil)
	r.RunStarted("p", "w", 0)
	if err := hand.ConfigSet(ctx, "requirepass", "another").Err(); err != nil {
		t.Fatal(err)
	}
	if err := hand.Do(ctx, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.flush(ctx); err == nil {
		t.Error("counts were written without a login")
	}
	if err := hand.ConfigSet(ctx, "requirepass", "").Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.flush(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := hand.XLen(ctx, secondsKey("p")).Result(); n != 1 || err != nil {
		t.Errorf("%d entries, %v; want what was counted", n, err)
	}
}

// A recorder that is started writes by itself, and what is left when it stops.
func TestRecorderFollows(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		r := NewRecorder(rdb, nil, nil)
		r.Start(t.Context())
		r.RunStarted("p", "w", 0)
		wait, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		for {
			if n, err := rdb.XLen(wait, secondsKey("p")).Result(); err != nil {
				t.Fatal(err)
			} else if n == 1 {
				break
			}
		}
		r.RunEnded("p", "w", Succeeded, time.Second)
		if err := r.Stop(wait); err != nil {
			t.Fatal(err)
		}
		if n := rdb.XLen(wait, secondsKey("p")).Val(); n != 2 {
			t.Errorf("%d entries after the stop; want 2", n)
		}
	})
}

// Minutes are made once, of all that was counted, by however many rollers; what
// is old goes.
func TestRoller(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		base := time.Now().Truncate(Minute).Add(-10 * Minute)
		put := func(key string, at time.Time, n int64) {
			s := Set{}
			s.of(Name{Workflow, "w"}).Started = n
			if err := rdb.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: idAt(at) + "-*", Values: []any{field, s.append(nil)}}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		put(minutesKey("p"), base.Add(-keepByMinute-Minute), 1000)
		put(secondsKey("p"), base.Add(-keepBySecond-Minute), 1000)
		for i := range 180 { // three minutes, two processes
			at := base.Add(time.Duration(i+1) * time.Second) // written when its second ends
			put(secondsKey("p"), at, 1)
			put(secondsKey("p"), at.Add(time.Millisecond), 1)
		}
		now := func() time.Time { return base.Add(3*Minute + 10*time.Second) }
		for range 2 {
			r := NewRoller(rdb, func() []string { return []string{"p"} }, now, nil)
			if err := r.roll(ctx, "p"); err != nil {
				t.Fatal(err)
			}
		}
		points, err := NewReader(rdb).Points(ctx, "p", Minute, base.Add(-keepByMinute-time.Hour), now())
		if err != nil {
			t.Fatal(err)
		}
		if len(points) != 3 {
			t.Fatalf("%d minutes: %+v", len(points), points)
		}
		for i, p := range points {
			if !p.At.Equal(base.Add(time.Duration(i)*Minute)) || p.Set[Name{Workflow, "w"}].Started != 120 {
				t.Errorf("minute %d: %v has %+v", i, p.At, p.Set[Name{Workflow, "w"}])
			}
		}
		if n := rdb.XLen(ctx, secondsKey("p")).Val(); n != 360 {
			t.Errorf("%d entries of seconds are kept; want 360", n)
		}
	})
}

func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Histogram{}
		values := rapid.SliceOfN(rapid.Int64Range(0, int64(400*24*time.Hour)), 1, 50).Draw(t, "durations")
		for _, v := range values {
			b := bucketOf(time.Duration(v))
			us := time.Duration(v).Truncate(time.Microsecond)
			if us < lowerOf(b) || us >= lowerOf(b+1) {
				t.Fatalf("%v is in bucket %d, from %v to %v", us, b, lowerOf(b), lowerOf(b+1))
			}
			h.Add(time.Duration(v))
		}
		if h.Count() != int64(len(values)) {
			t.Fatalf("%d of %d", h.Count(), len(values))
		}
		if v := values[0]; len(values) == 1 {
			got := h.Quantile(0.99)
			if off := (got - time.Duration(v)).Abs(); float64(off) > 0.0625*float64(v)+float64(time.Microsecond) {
				t.Fatalf("%v came back as %v", time.Duration(v), got)
			}
		}
	})
}

func TestSetsSurviveTheirForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Set{}
		for range rapid.IntRange(0, 5).Draw(t, "series") {
			c := s.of(Name{Kind(rapid.IntRange(0, 1).Draw(t, "kind")), rapid.String().Draw(t, "name")})
			for i := range countNumbers {
				*c.number(i) = rapid.Int64Range(0, 1<<40).Draw(t, "number")
			}
			for range rapid.IntRange(0, 5).Draw(t, "durations") {
				c.Duration.Add(time.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "duration")))
				c.Wait.Add(time.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "wait")))
			}
		}
		got, err := parseSet(string(s.append(nil)))
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("%v came back as %v: %v", s, got, err)
		}
	})
}

// What was written before there were sums is still read.
func TestVersionWithoutSums(t *testing.T) {
	raw := string([]byte{1, byte(Workflow), 1, 'w', 5, 4, 3, 2, 1, 0, 1, 8, 2, 0})
	s, err := parseSet(raw)
	if err != nil {
		t.Fatal(err)
	}
	if c := s[Name{Workflow, "w"}]; c.Started != 5 || c.Attempts != 1 || c.Duration[8] != 2 || c.DurationUs != 0 {
		t.Errorf("%+v", c)
	}
}

func FuzzParseSet(f *testing.F) {
	s := Set{}
	s.of(Name{Workflow, "lead-sync"}).end(Failed, time.Second)
	f.Add(string(s.append(nil)))
	f.Add("")
	f.Add("\x02\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
	f.Add("\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
	f.Fuzz(func(t *testing.T, raw string) {
		s, err := parseSet(raw)
		if err != nil {
			return
		}
		again, err := parseSet(string(s.append(nil)))
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%v became %v: %v", s, again, err)
		}
	})
}

// BenchmarkRun is all that is counted of a run of three steps.
func BenchmarkRun(b *testing.B) {
	r := NewRecorder(nil, nil, nil)
	for b.Loop() {
		r.RunStarted("default", "lead-sync", 3*time.Millisecond)
		for range 3 {
			r.Attempted("default", "lead-sync", false)
		}
		r.RunEnded("default", "lead-sync", Succeeded, 12*time.Millisecond)
	}
}
